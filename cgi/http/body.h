/*
 * body - what a request brings, where that is small enough for memory.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

/* Is the body of ${h} said to be ${type}, such as "application/json"? */
bool body_is(const struct http *h, const char *type);

/* The body of ${h} as one JSON object, of at most ${max} bytes: a new reference.  Another type than
 * JSON, which is what a form of a web page sends, is ERR_BAD_MESSAGE.  With ${optional} no body at
 * all is an empty object. */
json_t *body_json(struct http *h, size_t max, bool optional, struct err *e);

/* Every member of ${o} is one of ${known}, names with spaces between; ERR_BAD_DATA if not. */
int body_only(const json_t *o, const char *known, struct err *e);

/* True if ${name} is one of ${names}, which have spaces between. */
bool body_named(const char *names, const char *name);

#endif
