/*
 * assignment/members - what an assignment's record holds, each member named once (see
 * base/member.h); those of every record are in log/members.h.
 *
 * assignments/<id>/record.json.  Members below "invite" are those of the protocol: read them with
 * the accessors of wire/members.h, as in invite_prompt(assignment_invite(record)).  Times are
 * RFC 3339 in UTC.
 */
#ifndef ASSIGNMENT_MEMBERS_H
#define ASSIGNMENT_MEMBERS_H

#include "log/members.h"

/* What was agreed on at INVITE. */
MEMBER_TEXT(assignment, owner, record_owner_path(), "")  /* the tenant that sent it, or "" */
MEMBER_BOOL(assignment, capability, "capability")        /* the token came in the INVITE itself */
MEMBER_TEXT(assignment, token, "token", "")              /* then: its digest, as in tokens/ */
MEMBER_JSON(assignment, invite, "invite")                /* the message, without its "auth" */
MEMBER_TEXT(assignment, access_mode, "accessMode", "rw") /* or "ro" */
MEMBER_TEXT(assignment, queue, "queue", "default")       /* of its task */
MEMBER_INTEGER(assignment, max_archive, "maxArchiveBytes", INT64_MAX) /* of the workspace */
MEMBER_INTEGER(assignment, max_questions, "maxQuestions", 0)          /* of its token; 0: none */
MEMBER_INTEGER(assignment, max_events, "maxEventBytes", 0)            /* likewise */
MEMBER_INTEGER(assignment, retention, "retentionMs", 0)               /* from its end on */

/* How it stands. */
MEMBER_INTEGER(assignment, run, "run", 0) /* INVITEs of this id so far */
MEMBER_TEXT(assignment, started_at, "startedAt", "")
MEMBER_TEXT(assignment, completed_at, "completedAt", "")

/* What START brought. */
MEMBER_JSON(assignment, lease, "lease")
MEMBER_TEXT(assignment, lease_expires_at, "lease.expiresAt", "")
MEMBER_TEXT(assignment, lease_access_mode, "lease.accessMode", "rw") /* or "ro" */
MEMBER_JSON(assignment, workspace, "workspace")          /* {"bytes", "sha256"} of the archive */
MEMBER_INTEGER(assignment, task_number, "taskNumber", 0) /* in its queue */
MEMBER_INTEGER(assignment, asked, "asked", 0)            /* questions so far, of all runs */

/* What came of it. */
MEMBER_JSON(assignment, result, "result") /* as offered in the event "snapshot": */
MEMBER_TEXT(assignment, summary, "result.summary", "")
MEMBER_JSON(assignment, highlights, "result.highlights")
MEMBER_TEXT(assignment, snapshot_id, "result.snapshotId", NULL)
MEMBER_JSON(assignment, metadata, "result.metadata")

#endif
