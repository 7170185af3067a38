/*
 * caller - who sends a request.
 *
 * Authentication is by bearer token (AWCP_AUTH=token, the default) or not at all (AWCP_AUTH=none).
 * A delegator of the reference implementation can show a token in INVITE's "auth" alone, and sends
 * no header with later requests: then the id that it made is its credential, if it is long enough
 * and AWCP_STRICT does not forbid it.
 */
#ifndef HTTP_CALLER_H
#define HTTP_CALLER_H

#include "http/http.h"
#include "access/token.h"
#include "config/settings.h"

struct caller {
	/* The token's name, "" where nobody is asked for one, NULL if no credential was shown: what
	 * assignment_open takes as owner. */
	const char *owner;
	bool capability; /* the credential came in the message */
	struct token token;
};

/* Read AWCP_AUTH, once. */
int caller_policy(struct err *e);

/* How callers are authenticated: "bearer" or "none". */
const char *caller_scheme(void);

/* Who sends ${h}, by its headers?  ERR_AUTH_FAILED for a wrong token; none at all is no error. */
int caller_identify(const struct http *h, struct caller *c, struct err *e);

/* Who sends ${invite}, if the headers did not say?  ERR_AUTH_FAILED if that does not either. */
int caller_from_invite(const json_t *invite, struct caller *c, struct err *e);

/* ERR_AUTH_FAILED if no credential was shown. */
int caller_required(const struct caller *c, struct err *e);

/* As caller_identify, but the caller must be known.  Where no token is required, any page may have
 * a browser send requests; the browser then says which page it was, and that is ERR_AUTH_FAILED,
 * too. */
int caller_admit(const struct http *h, struct caller *c, struct err *e);

/* Is token ${name} one of those that setting ${list} names, separated by spaces?  ${fallback} if
 * that is not set. */
bool caller_listed(enum setting_id list, const char *name, bool fallback);

/* For an ${owner} without a credential make ERR_NOT_FOUND ERR_AUTH_FAILED, so that nobody learns
 * which ids there are. */
void caller_hide(const char *owner, struct err *e);

#endif
