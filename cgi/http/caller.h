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

#include "config/settings.h"
#include "http/holder.h"
#include "http/http.h"

struct caller {
	/* The tenant of the token, "" where nobody is asked for one, NULL if no credential was
	 * shown: what assignment_open takes as owner. */
	const char *owner;
	bool capability;    /* the credential came in the message */
	struct token token; /* .name and .limits; where nobody is asked for one, all rights */
};

/* Read AWCP_AUTH and how many requests there may be at a time, once. */
int caller_policy(struct err *e);

/* Is nobody asked for a token? */
bool caller_is_open(void);

/* How callers are authenticated: "bearer" or "none". */
const char *caller_scheme(void);

/* The one place where a request is let in.  Who sends ${h}, and may they do what its route asks
 * for?  ERR_AUTH_FAILED for a wrong token, or for none where one is needed; ERR_DECLINED for a
 * right one without the right; ERR_RATE_LIMITED;
 * ERR_NO_SPACE (ROUTE_ADDS). */
int caller_admit(struct http *h, struct err *e);

/* The same by the header alone, for a route that asks itself; no credential is no error. */
int caller_identify(struct http *h, unsigned rights, struct err *e);

/* Who sends ${invite}, if the header of ${h} did not say?  As caller_identify, but ERR_AUTH_FAILED
 * if that does not say it either. */
int caller_from_invite(struct http *h, const json_t *invite, struct err *e);

/* Who shows no credential, but an id that is one, goes on no longer than the token does with which
 * that id came: the one with the record ${file}.  ERR_AUTH_FAILED, ERR_DECLINED. */
int caller_vouch(struct http *h, const char *file, struct err *e);

/* The caller of ${h}, as it was admitted. */
const struct caller *caller_of(const struct http *h);

/* What lets the caller in, and for how long; borrowed. */
const struct pass *caller_pass(const struct http *h);

/* The request is over. */
void caller_leave(struct http *h);

/* For an ${owner} without a credential make ERR_NOT_FOUND ERR_AUTH_FAILED, so that nobody learns
 * which ids there are. */
void caller_hide(const char *owner, struct err *e);

#endif
