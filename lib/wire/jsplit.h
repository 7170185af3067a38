/*
 * jsplit - cuts one huge string out of a JSON stream.
 *
 * A START message, a snapshot event and a result carry a whole archive as one JSON string.  The
 * splitter reads the JSON in pieces of any size, passes the decoded content of that one string to a
 * sink as it passes, and keeps the rest, with "" in its place, to be parsed at the end.  Members
 * may come in any order, with any white space, and the string may be written with escapes.
 */
#ifndef WIRE_JSPLIT_H
#define WIRE_JSPLIT_H

#include <jansson.h>

#include "base/err.h"

struct jsplit;

/* Takes a piece of the string; returns 0, or -1 to stop the whole. */
typedef int jsplit_sink(void *arg, const char *p, size_t n, struct err *e);

/* Begin.  ${path} names the string, such as {"transportHandle", "workspaceBase64", NULL} (max
 * 4 names; borrowed until jsplit_free).  The rest may be ${max} bytes.  ${sink} is given what is
 * inside the string; with NULL it is dropped. */
struct jsplit *jsplit_new(const char *const *path, size_t max, jsplit_sink *sink, void *arg,
			  struct err *e);

/* Read ${n} more bytes.  Fails with ERR_BAD_MESSAGE, ERR_TOO_LARGE or the sink's error; the same
 * string twice is an error. */
int jsplit_feed(struct jsplit *s, const char *p, size_t n, struct err *e);

/* The end: parse the rest, which must be one JSON object.  *${found}: the string was
 * there.  Returns a new reference or NULL. */
json_t *jsplit_finish(struct jsplit *s, bool *found, struct err *e);

/* Start over for the next JSON text. */
void jsplit_reset(struct jsplit *s);

void jsplit_free(struct jsplit *s);

#endif
