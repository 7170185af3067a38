/*
 * request - a request about one task of a queue.
 */
#ifndef QUEUED_REQUEST_H
#define QUEUED_REQUEST_H

#include "queued/tenant.h"

#define REQUEST_TEXT 2000          /* longest reason or progress, bytes */
#define REQUEST_SPAN (366 * 86400) /* longest time to wait, s */

struct task_request {
	struct tenant tenant;
	json_t *body; /* with the members that are allowed, at most */
	struct queue *queue;
	struct queue_claim_id claim; /* .attempt 0 where the body has none */
	enum queue_event event;      /* what is to happen to the task or its claim */
	json_t *answer;              /* to be sent; NULL: {"ok": true} */
};

/* Answer ${h} with what ${act} does for the task in its path.  The body may have ${members}, names
 * with spaces between; with "attempt" among them it must name a claim. */
void request_task(struct http *h, const char *members, enum queue_event event,
		  int (*act)(struct task_request *r, struct err *e));

/* Read the body of ${h}: a JSON object, or none at all, which is an empty one. */
json_t *request_body(struct http *h, struct err *e);

void request_ok(struct http *h);

/* The number at ${name} of ${o} from ${min} to ${max}; *${value} stays if there is none. */
int request_number(const json_t *o, const char *name, int64_t min, int64_t max, int64_t *value,
		   struct err *e);

/* The text at ${name}, borrowed, of at most ${max} bytes, or NULL if there is none. */
int request_text(const json_t *o, const char *name, size_t max, const char **value, struct err *e);

int request_bool(const json_t *o, const char *name, bool *value, struct err *e);

#endif
