/*
 * list - GET /queue/:name/tasks: some tasks of a queue, and after which to go on.
 */
#ifndef QUEUED_LIST_H
#define QUEUED_LIST_H

#include "http/http.h"
#include "queued/tenant.h"

/* Answer ${h} of ${t} with the tasks that its query asks for; -1 if it was not answered. */
int list_answer(struct http *h, const struct tenant *t, struct err *e);

#endif
