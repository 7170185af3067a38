/*
 * page - GET /queue/:name/tasks: some tasks of a queue, and where to go on.
 */
#ifndef PAGE_H
#define PAGE_H

#include "http.h"
#include "visit.h"

/* Answer ${h} of ${v} with the tasks that its query asks for; -1 if it was not answered. */
int page_answer(struct http *h, const struct visit *v, struct err *e);

#endif
