/*
 * queue/claim - what a worker holds, and how its claim begins and ends.
 */
#ifndef QUEUE_CLAIM_H
#define QUEUE_CLAIM_H

#include "queue/queue.h"

struct queue_claim {
	struct queue_claim_id id;
	int fd;       /* of running/<n>, with flock on it if the claim is held */
	uint64_t end; /* of the journal, with the claim */
	json_t *task; /* with its payload */
};

/* A claim without a task; NULL when memory is out. */
struct queue_claim *queue_claim_new(struct queue_claim_id id, struct err *e);

/* A lease of ${lease} ms is possible. */
int queue_check_lease(int64_t lease, struct err *e);

/* Claim task ${number} for ${w}; the lock is held.  Returns 1 and *${c}, 0 if that was one whose
 * payload is lost, which has failed now, -1. */
int queue_claim_make(struct queue *q, uint64_t number, const struct queue_worker *w,
		     struct queue_claim **c, struct err *e);

/* The task of ${claim}, without its payload: a new reference, or NULL and ERR_BAD_STATE if the
 * claim is over. */
json_t *queue_claimed(struct queue *q, struct queue_claim_id claim, struct err *e);

/* Let ${alter} change the task of ${claim}, as queue_claimed has it, and write it, in a transaction
 * of its own. */
typedef int queue_alteration(struct queue *q, json_t *task, void *arg, struct err *e);
int queue_alter(struct queue *q, struct queue_claim_id claim, queue_alteration *alter, void *arg,
		bool durable, struct err *e);

/* Return the tasks whose claim lapsed; the lock is held. */
int queue_tend_claims(struct queue *q, struct err *e);

#endif
