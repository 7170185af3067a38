/* queue_work - awcp-queue take, and what becomes of a claim; and the orders of people */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "queue_command.h"

static struct queue *open_queue;

struct queue *
queue_of(const struct queue_options *o, const char *id, struct queue_claim_id *claim, struct err *e)
{
	char name[QUEUE_NAME + 1];

	claim->attempt = 0;
	if (queue_is_name(id, &claim->number))
		(void)snprintf(name, sizeof name, "%s", o->queue);
	else if (queue_parse_id(id, name, claim, e) < 0)
		return NULL;
	if (open_queue != NULL && strcmp(queue_name(open_queue), name) == 0)
		return open_queue;
	queue_close(open_queue);
	open_queue = queue_open(name, false, e);
	return open_queue;
}

/* The queue of a claim. */
static struct queue *
queue_of_claim(const struct queue_options *o, const char *id, struct queue_claim_id *claim,
	       struct err *e)
{
	struct queue *q = queue_of(o, id, claim, e);

	if (q == NULL || claim->attempt > 0)
		return q;
	err_set(e, ERR_USAGE, "%s is a task, not a claim on it", id);
	err_hint(e, "give what take printed, such as %s.1", id);
	return NULL;
}

void
queue_of_close(void)
{
	queue_close(open_queue);
}

static int
take(const struct queue_options *o, struct queue *q, struct queue_claim **c, struct err *e)
{
	char name[128], host[64] = "";
	const struct queue_worker self = {
	    .name = name, .lease = o->lease, .capabilities = o->requires};
	struct queue_waiter *w = NULL;
	int64_t next;
	int status;

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(name, sizeof name, "%s:%ld", host, (long)getppid());
	if (o->wait && (w = queue_waiter_open(q, QUEUE_TASK, e)) == NULL)
		return -1;
	while ((status = queue_take(q, &self, c, &next, e)) == 0 && o->wait)
		(void)queue_wait_due(w, next, -1);
	/* The worker may be on another machine, and outlive this one. */
	if (status == 1 && queue_claim_sync(q, *c, e) < 0) {
		queue_claim_free(*c);
		status = -1;
	}
	queue_waiter_close(w);
	return status;
}

int
queue_do_take(const struct queue_options *o)
{
	struct queue_claim *c;
	char id[QUEUE_ID];
	struct err e;

	struct queue *q = queue_open(o->queue, o->wait, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = take(o, q, &c, &e);
	queue_close(q);
	if (status < 0)
		return command_fail(&e);
	if (status == 0)
		return EX_TEMPFAIL;
	queue_format_id(o->queue, queue_claim_id(c), id);
	if (o->json && task_set_claim(queue_claim_task(c), id) == 0)
		command_json(queue_claim_task(c));
	else
		(void)puts(id);
	queue_claim_free(c);
	return 0;
}

/* Tell a claim's end for every operand. */
struct ending {
	const struct queue_options *options;
	struct queue_outcome outcome;
};

static int
end_one(void *arg, const char *id)
{
	const struct ending *x = arg;
	struct queue_claim_id claim;
	struct err e;

	struct queue *q = queue_of_claim(x->options, id, &claim, &e);
	return q == NULL || queue_finish(q, claim, &x->outcome, &e) < 0 ? command_fail(&e) : 0;
}

static int
end_all(const struct queue_options *o, struct queue_outcome outcome)
{
	struct ending x = {o, outcome};

	if (o->count == 0)
		command_usage("which claim?");
	x.outcome.message = o->reason;
	x.outcome.exit = (int)o->exit;
	return command_each(o->count, o->operands, end_one, &x);
}

int
queue_do_done(const struct queue_options *o)
{
	struct queue_outcome outcome = {.event = QUEUE_COMPLETE};
	struct buf b = BUF_INIT(QUEUE_PAYLOAD);
	struct err e;
	int status;

	if (o->file != NULL) {
		json_error_t why;
		if (file_slurp(AT_FDCWD, o->file, &b, &e) < 0)
			return command_fail(&e);
		outcome.result =
		    json_loadb(b.data == NULL ? "" : b.data, b.len, JSON_DECODE_ANY, &why);
		buf_free(&b);
		if (outcome.result == NULL) {
			err_set(&e, ERR_BAD_DATA, "%s is not JSON: %s (line %d)", o->file, why.text,
				why.line);
			return command_fail(&e);
		}
	}
	status = end_all(o, outcome);
	json_decref(outcome.result);
	return status;
}

int
queue_do_fail(const struct queue_options *o)
{
	return end_all(o, (struct queue_outcome){.event = QUEUE_FAIL, .last = o->last});
}

int
queue_do_return(const struct queue_options *o)
{
	return end_all(o, (struct queue_outcome){.event = QUEUE_RETURN});
}

int
queue_do_limit(const struct queue_options *o)
{
	int64_t pause = o->after < 0 ? 60 : o->after;

	return end_all(o, (struct queue_outcome){.event = QUEUE_LIMIT, .pause = pause * 1000});
}

static int
beat_one(void *arg, const char *id)
{
	const struct queue_options *o = arg;
	struct queue_claim_id claim;
	struct err e;

	struct queue *q = queue_of_claim(o, id, &claim, &e);
	return q == NULL || queue_beat(q, claim, o->lease, o->reason, &e) < 0 ? command_fail(&e)
									      : 0;
}

int
queue_do_beat(const struct queue_options *o)
{
	if (o->count == 0)
		command_usage("which claim?");
	return command_each(o->count, o->operands, beat_one, (void *)(uintptr_t)o);
}

struct ordering {
	const struct queue_options *options;
	enum queue_event event;
};

static int
order_one(void *arg, const char *id)
{
	const struct ordering *x = arg;
	struct queue_claim_id claim;
	struct err e;

	struct queue *q = queue_of(x->options, id, &claim, &e);
	return q == NULL || queue_control(q, claim.number, x->event, x->options->reason, &e) < 0
		   ? command_fail(&e)
		   : 0;
}

static int
order_all(const struct queue_options *o, enum queue_event event)
{
	struct ordering x = {o, event};

	if (o->count == 0)
		command_usage("which task?");
	return command_each(o->count, o->operands, order_one, &x);
}

int
queue_do_cancel(const struct queue_options *o)
{
	return order_all(o, QUEUE_CANCEL);
}

int
queue_do_retry(const struct queue_options *o)
{
	return order_all(o, QUEUE_RETRY);
}

int
queue_do_pause(const struct queue_options *o)
{
	return order_all(o, QUEUE_PAUSE);
}

int
queue_do_resume(const struct queue_options *o)
{
	return order_all(o, QUEUE_RESUME);
}
