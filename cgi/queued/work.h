/*
 * work - what workers ask for: a task, and what becomes of their claim on it.
 */
#ifndef QUEUED_WORK_H
#define QUEUED_WORK_H

#include "http/http.h"

/* POST /queue/:name/claim: answer ${h}, which is read to its end, with a task that is claimed, or
 * with 204 if there was none in time. */
void work_claim(struct http *h);

/* POST /queue/:name/tasks/:number/... */
void work_beat(struct http *h);
void work_finish(struct http *h);
void work_fail(struct http *h);
void work_return(struct http *h);
void work_limit(struct http *h);
void work_ask(struct http *h);
void work_hear(struct http *h);

#endif
