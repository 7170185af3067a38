/*
 * queue/change - how a queue changes: lines for the journal, and what they mean for the index.
 *
 * The lock is held, see transaction.h.  queue_change adds a line, queue_write appends and indexes
 * the lines so far.
 */
#ifndef QUEUE_CHANGE_H
#define QUEUE_CHANGE_H

#include "queue/private.h"

/* Add ${task} as it is now: a line with the next version.  The payload is written with ${put}
 * only. */
int queue_change(struct queue *q, json_t *task, bool put, struct err *e);

/* The same, but the task has not changed: it is only written again. */
int queue_change_again(struct queue *q, json_t *task, bool put, struct err *e);

/* Write the changes so far; they are forgotten when this fails.  ${keep}: bytes that they must
 * leave free on the disk, for what ends the work that there is. */
int queue_write(struct queue *q, size_t keep, struct err *e);

/* Forget the changes that were not written. */
void queue_drop_changes(struct queue *q);

/* Index the line ${task} at ${at}, the first of it with ${put}; doing it ${again} changes nothing.
 */
int queue_index_line(struct queue *q, const json_t *task, uint64_t at, bool put, bool again,
		     struct err *e);

#endif
