/*
 * claim - one try to claim a task for a worker, and the answer to it.
 */
#ifndef QUEUED_CLAIM_H
#define QUEUED_CLAIM_H

#include "http/caller.h"
#include "queue/queue.h"

#define CLAIM_WORKER 128 /* bytes of a worker's name with its NUL */

struct claim_request {
	const char *queue;
	const char *tenant;   /* whose tasks; NULL: everybody's */
	json_t *capabilities; /* strings, or NULL */
	char worker[CLAIM_WORKER];
	int64_t lease;           /* ms */
	int64_t wait;            /* ms at most */
	const struct pass *pass; /* of the worker */
};

/* Claim a task, durably: 1 and *${c}, 0 if there is none, -1.  *${pause}: ms until there may be one
 * without news of the queue. */
int claim_take(const struct claim_request *r, struct queue_claim **c, int64_t *pause,
	       struct err *e);

/* Answer ${h} with the task of ${c}, or with 204 if that is NULL; not yet flushed. */
void claim_send(struct http *h, const struct claim_request *r, const struct queue_claim *c);

/* The worker was not told of ${c}, which may be NULL: whoever is next may have the task. */
void claim_return(const struct claim_request *r, const struct queue_claim *c);

/* As plain CGI, where there is no other thread: wait here until there is a task, ${r}->wait is over
 * or nobody listens to ${h} any more; as claim_take. */
int claim_wait(struct http *h, const struct claim_request *r, struct queue_claim **c,
	       struct err *e);

/*
 * waitlist.c: workers that wait for a task.
 *
 * A worker that waits has no thread: its connection, detached from libfcgi, is with one thread that
 * is woken by all queues that are waited for.  Those that may take the same tasks stand on one
 * waitlist, and when the queue has news the first of them tries.  A claim whose worker is gone
 * before it could be told is returned.
 */

/* Detach ${h} and answer it as soon as there is a task for ${r}, or with 204 after ${r}->wait.  -1
 * if it was not taken over. */
int waitlist_add(struct http *h, const struct claim_request *r, struct err *e);

#endif
