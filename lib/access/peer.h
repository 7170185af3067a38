/*
 * peer - executors that we know: peers/<name> holds {name, url, token}.
 */
#ifndef ACCESS_PEER_H
#define ACCESS_PEER_H

#include <jansson.h>

#include "base/err.h"

/* Remember ${url} and ${token} (or NULL) under ${name}; replaces what was known. */
int peer_put(const char *name, const char *url, const char *token, struct err *e);

/* The peer called ${name}; NULL with ERR_NOT_FOUND.  A new reference. */
json_t *peer_get(const char *name, struct err *e);

/* The peer whose url is ${url}, but for a trailing slash; NULL without an error set if none is. */
json_t *peer_by_url(const char *url, struct err *e);

/* The peers with this url have just answered: touch their files. */
void peer_seen(const char *url);

#endif
