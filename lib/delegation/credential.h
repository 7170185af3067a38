/*
 * credential - what a caller gave to authenticate a delegation at its executor.
 *
 * AWCP v1 "auth": {type: "bearer" | "api_key" | "oauth2" | "custom", credential, metadata?}.  It is
 * kept in delegations/<id>/auth, with mode 0600, so that it is in neither the record nor a journal,
 * a log or a command line; "auth": true in the record says that it is there.  It is removed when
 * the delegation ends.
 */
#ifndef DELEGATION_CREDENTIAL_H
#define DELEGATION_CREDENTIAL_H

#include "state/record.h"
#include "access/token.h"

/* Is ${auth} of that form, and can it be sent?  ERR_BAD_MESSAGE, without the secret. */
int credential_check(const json_t *auth, struct err *e);

/* Store ${auth} beside the record ${r}, and note it there; the caller saves it. */
int credential_keep(struct record *r, const json_t *auth, struct err *e);

/* The auth of ${delegation} (a record's JSON), a new reference in *${auth}; NULL if it has none. */
int credential_load(const json_t *delegation, json_t **auth, struct err *e);

/* What of ${auth} goes into the header "Authorization: Bearer"; "" for a custom one, which only its
 * executor understands. */
int credential_token(const json_t *auth, char token[TOKEN_MAX], struct err *e);

/* Remove what was kept for ${r}, once the record says no more that it is there. */
void credential_remove(struct record *r);

#endif
