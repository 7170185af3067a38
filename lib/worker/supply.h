/*
 * worker/supply - a queue that a worker takes tasks from.
 *
 * One that cannot be used stops no other: it is left out, and tried again after a while.
 */
#ifndef WORKER_SUPPLY_H
#define WORKER_SUPPLY_H

#include "queue/queue.h"

struct supply {
	const char *name;
	struct queue *queue; /* NULL: it could not be opened yet */
	struct watch *waiter;
	bool failing;     /* it could not be used when it was last tried */
	int64_t retry_at; /* clock_steady: it is not tried before */
	uint64_t told;    /* task up to which it was told that it waits */
};

/* Open it, unless it is; ${recovery} (or NULL) is in force for lost claims that we find. */
int supply_open(struct supply *s, const enum queue_event *recovery, struct err *e);
void supply_close(struct supply *s);

/* It cannot be used now; true if it could be the last time. */
bool supply_failed(struct supply *s);

/* Nothing is taken from it, because of ${why}: the delegators of those tasks that came since this
 * was said last learn of it. */
void supply_tell(struct supply *s, const char *why);

#endif
