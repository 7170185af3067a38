/*
 * queues - queues that are open, for threads to borrow.
 *
 * An open queue serves one thread, and to open one costs a dozen system calls: those that were
 * given back are kept for whoever comes next.
 */
#ifndef QUEUED_QUEUES_H
#define QUEUED_QUEUES_H

#include "queue/queue.h"

/* Have queue ${name} for this thread; ${create} as for queue_open.  Waits while too many are
 * taken, so nobody may have two. */
struct queue *queues_borrow(const char *name, bool create, struct err *e);

/* Give it back; NULL does nothing. */
void queues_return(struct queue *q);

#endif
