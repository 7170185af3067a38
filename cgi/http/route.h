/*
 * route - finds what answers a path.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "http/http.h"
#include "base/id.h"

#define ROUTE_METHODS 64 /* bytes of the list of methods that a path takes */
#define ROUTE_IDS 2      /* ":id" in a path, at most */

/* The one of ${routes} (ended by a NULL method) for ${method} and ${path}; copies the components
 * that ":id" stands for to ${ids}, the others are "".  NULL with ERR_NOT_FOUND, or with
 * ERR_BAD_METHOD and the methods that the path does take in ${allow}, or else "". */
const struct http_route *route_find(const struct http_route *routes, const char *method,
				    const char *path, char ids[ROUTE_IDS][ID_MAX + 1],
				    char allow[ROUTE_METHODS], struct err *e);

#endif
