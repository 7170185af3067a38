/*
 * request - who asks for what of which queue.
 */
#ifndef QUEUED_REQUEST_H
#define QUEUED_REQUEST_H

#include "http/caller.h"
#include "queue/queue.h"

/*
 * tenant.c: who uses a queue over HTTP, and what of it is theirs.
 *
 * A token may use the queues that it is limited to, or any if it is not.  It sees, changes and
 * takes the tasks of its tenant and no others.  A token with the right "admin", and everybody where
 * no token is asked for, has all tasks.
 */

struct tenant {
	const struct caller *caller;
	const char *queue; /* the one in the path */
	const char *name;  /* NULL: all tasks are theirs */
};

/* Who sends ${h}, which was admitted, and may they use the queue in its path?  ERR_DECLINED says
 * nothing about whether there is such a queue. */
int tenant_admit(const struct http *h, struct tenant *t, struct err *e);

/* May they use ${queue}? */
bool tenant_may(const struct tenant *t, const char *queue);

/* Is task ${number} of ${q} theirs?  ERR_NOT_FOUND as if it were not there. */
int tenant_owns(const struct tenant *t, struct queue *q, uint64_t number, struct err *e);

/* The number of the task in the path of ${h}; ERR_NOT_FOUND if it is none. */
int tenant_task(const struct http *h, uint64_t *number, struct err *e);

/* May the tenant have ${more}, beside what it has in all queues?  ERR_RATE_LIMITED if that is more
 * than the token's limits, or else AWCP_TENANT_TASKS and AWCP_TENANT_BYTES, say.  It counts as put;
 * what is not put after all is forgotten with the next count.  To be called while no queue is
 * borrowed. */
int quota_take(const struct tenant *t, const struct queue_load *more, struct err *e);

/*
 * queues.c: queues that are open, for threads to borrow.
 *
 * An open queue serves one thread, and to open one costs a dozen system calls: those that were
 * given back are kept for whoever comes next.
 */

/* Have queue ${name} for this thread; ${create} as for queue_open.  Waits while too many are
 * taken, so nobody may have two. */
struct queue *queues_borrow(const char *name, bool create, struct err *e);

/* Give it back; NULL does nothing. */
void queues_return(struct queue *q);

/*
 * request.c: a request about one task of a queue.
 */

#define REQUEST_TEXT 2000          /* longest reason or progress, bytes */
#define REQUEST_SPAN (366 * 86400) /* longest time to wait, s */

struct task_request {
	struct tenant tenant;
	json_t *body; /* with the members that are allowed, at most */
	struct queue *queue;
	struct queue_claim_id claim; /* .attempt 0 where the body has none */
	const struct task_action *action;
	json_t *answer; /* to be sent; NULL: {"ok": true} */
};

struct task_action {
	const char *name;
	const char *members;    /* that the body may have, with spaces between; with "attempt" among
				 * them it must name a claim */
	enum queue_event event; /* what is to happen to the task or its claim */
	int (*act)(struct task_request *r, struct err *e);
};

/* Answer ${h} with what ${action} does for the task in its path. */
void request_task(struct http *h, const struct task_action *action);

/* Read the body of ${h}: a JSON object, or none at all, which is an empty one. */
json_t *request_body(struct http *h, struct err *e);

/* The number at ${name} of ${o} from ${min} to ${max}; *${value} stays if there is none. */
int request_number(const json_t *o, const char *name, int64_t min, int64_t max, int64_t *value,
		   struct err *e);

/* The text at ${name}, borrowed, of at most ${max} bytes, or NULL if there is none. */
int request_text(const json_t *o, const char *name, size_t max, const char **value, struct err *e);

int request_bool(const json_t *o, const char *name, bool *value, struct err *e);

#endif
