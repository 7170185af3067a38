/*
 * queue/transaction - a change of the queue as a whole.
 *
 * It is made between queue_begin and queue_end (see change.h).  queue_end lets the consequences
 * follow (tasks that waited for one that ended), makes it durable and wakes those who wait.  After
 * a failure in between queue_abort is called; what was written stays, and is indexed by the next
 * one.
 */
#ifndef QUEUE_TRANSACTION_H
#define QUEUE_TRANSACTION_H

#include "queue/private.h"

/* Take the lock and index what a killed writer left; not locked after a failure. */
int queue_begin(struct queue *q, struct err *e);
int queue_end(struct queue *q, bool durable, struct err *e);
void queue_abort(struct queue *q);

/* Read the head, to look only; an index that may not be believed is made anew first. */
int queue_refresh(struct queue *q, struct err *e);

/* Make the whole index anew from the journal; the lock is held. */
int queue_rebuild(struct queue *q, struct err *e);

#endif
