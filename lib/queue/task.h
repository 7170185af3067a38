/*
 * queue/task - what a change does to the record of a task.  No storage is known here.
 */
#ifndef QUEUE_TASK_H
#define QUEUE_TASK_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "queue/members.h"
#include "queue/state.h"

enum queue_state queue_task_state(const json_t *task);

/* Change the state of ${task} by ${event}; ERR_BAD_STATE if that is not possible. */
int queue_task_step(json_t *task, enum queue_event event, struct err *e);

/* When ${task} may be taken, ms since 1970; 0: at once. */
int64_t queue_task_time(const json_t *task);
int queue_task_set_time(json_t *task, int64_t ms, struct err *e);

/* ${task} is pending if it waits, but for nothing any more. */
void queue_task_release(json_t *task);

/* Give ${text} (NULL: none) to ${set}, a setter of ${o}, as it is kept: redacted, and cut so that a
 * task's line stays short enough. */
int queue_task_set_reason(json_t *o, int (*set)(json_t *o, const char *text), const char *text,
			  struct err *e);

/* ${task} has an error; ${message} may be NULL. */
int queue_task_set_error(json_t *task, const char *code, const char *message, struct err *e);

/* The last attempt, borrowed; NULL if there is none. */
json_t *queue_task_last_attempt(const json_t *task);

/* Begin attempt ${number} by ${worker}, with a lease of ${lease} ms. */
int queue_task_begin_attempt(json_t *task, uint32_t number, const char *worker, int64_t lease,
			     struct err *e);

/* End the last attempt, if it runs, with ${outcome}, such as "returned", because of ${why} or NULL.
 */
int queue_task_end_attempt(json_t *task, const char *outcome, const char *why, struct err *e);

#endif
