/*
 * queue/running - the file of a claim, running/<n>, on task n.
 *
 * Its modification time is the end of the lease.  A claim that is held has an executable file, on
 * which its worker holds flock: it ends with the worker, too.  The file goes when the claim ends.
 */
#ifndef QUEUE_RUNNING_H
#define QUEUE_RUNNING_H

#include "queue/private.h"

/* Make the file of ${claim} by ${w} and take its lock: a descriptor, or -1. */
int queue_running_make(struct queue *q, struct queue_claim_id claim, const struct queue_worker *w,
		       struct err *e);

/* The lease on task ${number} ends in ${lease} ms from now. */
int queue_running_extend(struct queue *q, uint64_t number, int64_t lease, struct err *e);

/* Remove the file of task ${number}.  One that is left is removed by queue_tend. */
void queue_running_remove(struct queue *q, uint64_t number);

/* What has become of a claim. */
enum queue_lapse { QUEUE_HOLDS, QUEUE_LEASE_ENDED, QUEUE_WORKER_DIED };

/* Call ${each} with the number of every claim's task that has lapsed, until it fails. */
int queue_running_lapsed(struct queue *q,
			 int (*each)(void *arg, uint64_t number, enum queue_lapse why), void *arg,
			 struct err *e);

/* Have a file for each claim in the index: one that was lost in a power cut has lapsed. */
int queue_restore_claims(struct queue *q, struct err *e);

#endif
