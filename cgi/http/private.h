/*
 * private - what the files behind http.h share.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <fcgiapp.h>

#include "base/id.h"
#include "http/caller.h"
#include "http/stranger.h"
#include "log/delivery.h"

#define ROUTE_METHODS 64        /* bytes of the list of methods that a path takes */
#define ROUTE_IDS 2             /* ":id" in a path, at most */
#define HTTP_UNKNOWN UINT64_MAX /* length of a body that was sent in chunks */

struct http {
	FCGX_Request *fcgi;             /* NULL: plain CGI, stdin and stdout */
	const struct fastcgi *detached; /* not NULL: the connection of http_detached */
	const char *method;
	const struct http_route *route;
	struct caller caller; /* see caller_admit */
	struct pass pass;     /* what lets the caller in */
	char ids[ROUTE_IDS][ID_MAX + 1];
	uint64_t left;             /* bytes of the body still to come */
	struct stranger *stranger; /* what may be read of it, until it is known who sends it */
	bool bodiless;             /* HEAD: only the head of the answer is sent */
	bool begun;                /* the head of the answer is written */
	bool gone;                 /* the peer takes no more */
	int refusal;               /* the status of http_refuse_with, or 0 */
	struct delivery delivery;  /* of which step this is, if it is one */
	char about[ID_MAX + 1], owner[80];
};

/* As http_fail_with, with ${more} header lines as for http_begin; counts and logs nothing. */
void http_refuse(struct http *h, const struct err *e, json_t *o, const char *more);

/* route.c */

/* The one of ${routes} (ended by a NULL method) for ${method} and ${path}; copies the components
 * that ":id" stands for to ${ids}, the others are "".  NULL with ERR_NOT_FOUND, or with
 * ERR_BAD_METHOD and the methods that the path does take in ${allow}, or else "". */
const struct http_route *route_find(const struct http_route *routes, const char *method,
				    const char *path, char ids[ROUTE_IDS][ID_MAX + 1],
				    char allow[ROUTE_METHODS], struct err *e);

#endif
