#include "queued/claim.h"

#include "base/clock.h"
#include "http/log.h"
#include "queued/request.h"

#define CAPABILITIES 64 /* of a worker */

int
claim_take(const struct claim_request *r, struct queue_claim **c, int64_t *pause, struct err *e)
{
	const char *has[CAPABILITIES + 1] = {NULL};
	const struct queue_worker worker = {
	    .name = r->worker, .lease = r->lease, .capabilities = has, .tenant = r->tenant};
	const json_t *one;
	size_t i;
	int64_t next;

	*c = NULL;
	if (pass_check(r->pass, e) < 0)
		return -1;
	json_array_foreach (r->capabilities, i, one)
		if (i < CAPABILITIES)
			has[i] = json_string_value(one);
	struct queue *q = queues_borrow(r->queue, r->wait > 0, e);
	if (q == NULL)
		return -1;
	int status = queue_take(q, &worker, c, &next, e);
	/* The worker may outlive us: a claim that it knows of must not be given again. */
	if (status == 1 && queue_claim_sync(q, *c, e) < 0) {
		queue_claim_free(*c); /* its lease ends in time */
		*c = NULL;
		status = -1;
	}
	queues_return(q);
	if (status < 0)
		return -1;
	*pause = queue_pause(next);
	return status;
}

void
claim_send(struct http *h, const struct claim_request *r, const struct queue_claim *c)
{
	char id[QUEUE_ID];

	if (c == NULL) {
		http_begin(h, 204, "application/json", "Cache-Control: no-store\r\n");
		return;
	}
	json_t *task = queue_claim_task(c);
	queue_format_id(r->queue, queue_claim_id(c), id);
	http_json(h, 200, task_set_claim(task, id) < 0 ? NULL : json_incref(task));
}

void
claim_return(const struct claim_request *r, const struct queue_claim *c)
{
	const struct queue_outcome o = {
	    .event = QUEUE_RETURN, .message = "the worker was gone before it was told", .exit = -1};
	struct err e;

	if (c == NULL)
		return;
	struct queue *q = queues_borrow(r->queue, false, &e);
	if (q == NULL || queue_finish(q, queue_claim_id(c), &o, &e) < 0)
		http_log("claim: %s", e.message); /* its lease ends in time */
	queues_return(q);
}

int
claim_wait(struct http *h, const struct claim_request *r, struct queue_claim **c, struct err *e)
{
	int64_t until = clock_steady() + r->wait, pause, left;
	struct watch *w = NULL;
	int status;

	struct queue *q = queues_borrow(r->queue, true, e);
	if (q != NULL)
		w = queue_watch(q, QUEUE_TASK, e);
	queues_return(q);
	if (w == NULL)
		return -1;
	while ((status = claim_take(r, c, &pause, e)) == 0 && (left = until - clock_steady()) > 0) {
		left = left < pause ? left : pause;
		left = left < HOLDER_LOOK_MS ? left : HOLDER_LOOK_MS;
		if (watch_wait(w, http_peer(h), (int)left) == 2)
			break;
	}
	watch_close(w);
	return status;
}
