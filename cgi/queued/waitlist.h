/*
 * waitlist - workers that wait for a task.
 *
 * A worker that waits has no thread: its connection, detached from libfcgi, is with one thread that
 * is woken by all queues that are waited for.  Those that may take the same tasks stand on one
 * waitlist, and when the queue has news the first of them tries.  A claim whose worker is gone
 * before it could be told is returned.
 */
#ifndef QUEUED_WAITLIST_H
#define QUEUED_WAITLIST_H

#include "queued/claim.h"

/* Detach ${h} and answer it as soon as there is a task for ${r}, or with 204 after ${r}->wait.  -1
 * if it was not taken over. */
int waitlist_add(struct http *h, const struct claim_request *r, struct err *e);

#endif
