/*
 * body - the body of a request that is small enough for memory.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/http.h"

/* Is the body of ${h} said to be ${type}, such as "application/json"? */
bool body_is(const struct http *h, const char *type);

/* The body of ${h}, a JSON object of at most ${max} bytes: a new reference.  A type other than
 * JSON, as the form of a web page has, is ERR_BAD_MESSAGE.  With ${optional} a missing body is an
 * empty object. */
json_t *body_json(struct http *h, size_t max, bool optional, struct err *e);

/* Check that every member of ${o} is one of ${known}, names separated by spaces; ERR_BAD_DATA if
 * not. */
int body_only(const json_t *o, const char *known, struct err *e);

#endif
