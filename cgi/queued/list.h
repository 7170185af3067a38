/*
 * page - GET /queue/:name/tasks: some tasks of a queue, and where to go on.
 */
#ifndef QUEUED_LIST_H
#define QUEUED_LIST_H

#include "http/http.h"
#include "queued/tenant.h"

/* Answer ${h} of ${v} with the tasks that its query asks for; -1 if it was not answered. */
int page_answer(struct http *h, const struct visit *v, struct err *e);

#endif
