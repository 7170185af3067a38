/*
 * answers - what each route answers, by the method and the end of its path.  Each returns -1 if
 * nothing was sent.
 */
#ifndef QUEUED_ANSWERS_H
#define QUEUED_ANSWERS_H

#include "queued/request.h"

/* GET /queue: the names of the queues that the caller may use and has tasks in. */
int names_answer(struct http *h, const struct tenant *t, struct err *e);

/* GET /queue/:name/tasks: some tasks of a queue, and after which to go on. */
int list_answer(struct http *h, const struct tenant *t, struct err *e);

/* POST /queue/:name/tasks: one task as a JSON object, or a batch of them, one a line.
 *
 * A batch is put piece by piece as it is read.  It is answered at its end, for a web server that is
 * answered early sends no more of the request.  If one is refused, those before it were put; the
 * last line of the answer says which it was and why, and so does the status. */
int put_answer(struct http *h, const struct tenant *t, struct err *e);

/* GET .../tasks/:number/output: what the command of a task printed.  "Range: bytes=" (RFC 9110; one
 * range) asks for a part of what there is.  "?follow=1" goes on until the task has ended, from byte
 * "?from="; that takes a thread, so that only so many may (ERR_BUSY). */
int output_answer(struct http *h, const struct tenant *t, struct err *e);

/* POST /queue/:name/read: the numbers in "tasks" are "mark" (read, if nothing is said) to "reader";
 * without tasks everything up to "version" was read.  A caller's readers are its own. */
int marks_answer(struct http *h, const struct tenant *t, struct err *e);

/* GET /queue/:name/events: an event for each change after the version of Last-Event-ID or "since",
 * or from now on, with the task as it was then.
 *
 * The payload is never in it; and what makes an event larger than EVENT_LOOP is left out, too,
 * which "short": true says: the task itself can be asked for. */
int changes_answer(struct http *h, const struct tenant *t, struct err *e);

/* POST /queue/:name/claim: a task that is claimed, or 204 if there was none in time. */
int work_claim(struct http *h, const struct tenant *t, struct err *e);

/* POST .../tasks/:number/beat and all else that is done to a task, by its worker or by a person. */
void work_act(struct http *h);

#endif
