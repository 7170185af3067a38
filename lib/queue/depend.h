/*
 * queue/depend - tasks that wait for other tasks of their queue.
 */
#ifndef QUEUE_DEPEND_H
#define QUEUE_DEPEND_H

#include "queue/private.h"
#include "queue/rules.h"

/* How the tasks are that ${task} depends on.  ${n}->bad is borrowed from ${task}. */
int queue_count_needs(struct queue *q, const json_t *task, struct queue_needs *n, struct err *e);

/* Look after the tasks that depend on those that ended since queue_begin, and on those that end in
 * consequence; the lock is held. */
int queue_settle(struct queue *q, struct err *e);

/* Whether a task that depends on ${number} still waits, for that or for another: 1, 0 or -1. */
int queue_awaited(struct queue *q, uint64_t number, struct err *e);

#endif
