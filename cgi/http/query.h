/*
 * query - the parameters of a request, after the "?" of its address.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "http/http.h"

#define QUERY_NAME 32
#define QUERY_VALUE 256

/* Call ${each} with every "name=value" of ${h}, decoded, until it fails.  ERR_BAD_MESSAGE for one
 * that is too long, or has a NUL or another control character in it. */
int query_each(const struct http *h,
	       int (*each)(void *arg, const char *name, const char *value, struct err *e),
	       void *arg, struct err *e);

/* Read ${value} as a number from ${min} to ${max}; ERR_BAD_MESSAGE, which names ${name}, if it is
 * none. */
int query_number(const char *name, const char *value, int64_t min, int64_t max, int64_t *number,
		 struct err *e);

/* ERR_BAD_MESSAGE: there is no parameter ${name}; there are ${known}. */
int query_unknown(const char *name, const char *known, struct err *e);

#endif
