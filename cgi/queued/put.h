/*
 * put - POST /queue/:name/tasks: one task as a JSON object, or a batch of them, one a line.
 *
 * A batch is put piece by piece as it is read.  It is answered at its end, for a web server that is
 * answered early sends no more of the request.  If one is refused, those before it were put; the
 * last line of the answer says which it was and why, and so does the status.
 */
#ifndef QUEUED_PUT_H
#define QUEUED_PUT_H

#include "http/http.h"
#include "queued/tenant.h"

/* Answer ${h} of ${t}; -1 if it was not answered. */
int put_answer(struct http *h, const struct tenant *t, struct err *e);

#endif
