/*
 * tenant - who uses a queue over HTTP, and what of it is theirs.
 *
 * A token may use the queues that it is limited to, or any if it is not.  It sees, changes and
 * takes the tasks that were put with it and no others: its name is their tenant.  The tokens that
 * AWCP_OPERATORS names, and everybody where no token is asked for, have all tasks.
 */
#ifndef QUEUED_TENANT_H
#define QUEUED_TENANT_H

#include "http/caller.h"
#include "queue/queue.h"

struct tenant {
	struct caller caller;
	const char *queue; /* the one in the path */
	const char *name;  /* NULL: all tasks are theirs */
};

/* Who sends ${h}, and may they use the queue in its path?  ERR_DECLINED says nothing about whether
 * there is such a queue. */
int tenant_admit(const struct http *h, struct tenant *t, struct err *e);

/* Is task ${number} of ${q} theirs?  ERR_NOT_FOUND as if it were not there. */
int tenant_owns(const struct tenant *t, struct queue *q, uint64_t number, struct err *e);

/* The number of the task in the path of ${h}; ERR_NOT_FOUND if it is none. */
int tenant_task(const struct http *h, uint64_t *number, struct err *e);

#endif
