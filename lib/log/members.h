/*
 * log/members - the members that a record of any kind has, or that are of consequence where its
 * kind is not known, each named once (see base/member.h): lifecycle.log, hooks and the records
 * themselves read them.  What else a record has is in delegation/members.h and
 * assignment/members.h.
 */
#ifndef LOG_MEMBERS_H
#define LOG_MEMBERS_H

#include "base/member.h"

MEMBER_TEXT(record, id, "id", "")
MEMBER_TEXT(record, state, "state", "")        /* see wire/fsm.h */
MEMBER_TEXT(record, owner, "owner", NULL)      /* the token that asked for it */
MEMBER_TEXT(record, peer_url, "peerUrl", NULL) /* of a delegation: its executor's address */
MEMBER_TEXT(record, created_at, "createdAt", "")
MEMBER_TEXT(record, invited_at, "invitedAt", "") /* an assignment */
MEMBER_TEXT(record, updated_at, "updatedAt", "")
MEMBER_JSON(record, error, "error") /* see wire/members.h, "error" */
MEMBER_TEXT(record, error_code, "error.code", "")
MEMBER_TEXT(record, error_message, "error.message", "")
MEMBER_TEXT(record, error_hint, "error.hint", "")

#endif
