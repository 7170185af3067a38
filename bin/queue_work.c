/* queue_work - awcp-queue take, beat, done, fail, return and limit: what workers do */
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonx.h"
#include "queue_command.h"

struct work {
	const char *queue, *reason;
	struct queue_words capabilities;
	int64_t lease, pause, exit; /* s; s; -1: there was none */
	bool json, wait;
	struct queue_outcome outcome;
};

#define FRESH                                                                                   \
	{                                                                                       \
		.queue = QUEUE_DEFAULT, .lease = QUEUE_LEASE_MS / 1000, .pause = 60, .exit = -1 \
	}

/* Claim a task, or wait for one: 1 and *${c}, 0, -1. */
static int
take_task(const struct work *w, struct queue *q, struct queue_claim **c, struct err *e)
{
	char name[128], host[64] = "";
	const struct queue_worker worker = {
	    .name = name, .lease = w->lease * 1000, .capabilities = w->capabilities.text};
	struct watch *waiter = NULL;
	int64_t next;
	int status;

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(name, sizeof name, "%s:%ld", host, (long)getppid());
	if (w->wait && (waiter = queue_watch(q, QUEUE_TASK, e)) == NULL)
		return -1;
	while ((status = queue_take(q, &worker, c, &next, e)) == 0 && w->wait)
		(void)watch_wait(waiter, -1, queue_pause(next));
	/* The worker may be on another machine, and outlive this one. */
	if (status == 1 && queue_claim_sync(q, *c, e) < 0) {
		queue_claim_free(*c);
		status = -1;
	}
	watch_close(waiter);
	return status;
}

int
queue_do_take(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue take", "jq:r:W",
	    "usage: awcp-queue take [-jW] [-q queue] [-r capability]... [--lease span]\n"
	    "  -j             the task as JSON, with its \"claim\"; without it the claim alone\n"
	    "  -q queue       to take it from (default)\n"
	    "  -r capability  that the worker has\n"
	    "  -W             wait for a task\n"
	    "  --lease span   how long the claim holds without a beat (60)\n"};
	struct work w = FRESH;
	const struct queue_option options[] = {
	    {"j", queue_flag, &w.json, 0},          {"q", queue_text, &w.queue, 0},
	    {"r", queue_words, &w.capabilities, 0}, {"W", queue_flag, &w.wait, 0},
	    {"lease", queue_span, &w.lease, 0},     {0}};
	struct queue_claim *c;
	char id[QUEUE_ID];
	struct err e;

	queue_options(&self, options, argc, argv);
	queue_no_operands(argc, argv);
	struct queue *q = queue_open(w.queue, w.wait, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = take_task(&w, q, &c, &e);
	queue_close(q);
	if (status < 0)
		return command_fail(&e);
	if (status == 0)
		return EX_TEMPFAIL;
	queue_format_id(w.queue, queue_claim_id(c), id);
	if (w.json && task_set_claim(queue_claim_task(c), id) == 0)
		command_json(queue_claim_task(c));
	else
		(void)puts(id);
	queue_claim_free(c);
	return 0;
}

/* The queue of a claim. */
static struct queue *
queue_of_claim(const char *id, struct queue_claim_id *claim, struct err *e)
{
	struct queue *q = queue_of(QUEUE_DEFAULT, id, claim, e);

	if (q == NULL || claim->attempt > 0)
		return q;
	err_set(e, ERR_USAGE, "%s is a task, not a claim on it", id);
	err_hint(e, "give what take printed, for example %s.1", id);
	return NULL;
}

static int
beat_one(void *arg, const char *id)
{
	const struct work *w = arg;
	struct queue_claim_id claim;
	struct err e;

	struct queue *q = queue_of_claim(id, &claim, &e);
	if (q == NULL || queue_beat(q, claim, w->lease * 1000, w->reason, &e) < 0)
		return command_fail(&e);
	return 0;
}

int
queue_do_beat(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue beat", "m:",
	    "usage: awcp-queue beat [-m progress] [--lease span] claim...\n"
	    "  -m progress   to be shown\n"
	    "  --lease span  how long the claim holds without a beat (as take said)\n"};
	struct work w = FRESH;
	const struct queue_option options[] = {
	    {"m", queue_text, &w.reason, 0}, {"lease", queue_span, &w.lease, 0}, {0}};

	w.lease = 0;
	queue_options(&self, options, argc, argv);
	return queue_each_operand(argc, argv, "claim", beat_one, &w);
}

static int
end_one(void *arg, const char *id)
{
	const struct work *w = arg;
	struct queue_claim_id claim;
	struct err e;

	struct queue *q = queue_of_claim(id, &claim, &e);
	if (q == NULL || queue_finish(q, claim, &w->outcome, &e) < 0)
		return command_fail(&e);
	return 0;
}

/* End the claims of the operands with ${event}. */
static int
end_all(struct work *w, enum queue_event event, int argc, char **argv)
{
	w->outcome.event = event;
	w->outcome.message = w->reason;
	w->outcome.exit = (int)w->exit;
	w->outcome.pause = w->pause * 1000;
	return queue_each_operand(argc, argv, "claim", end_one, w);
}

/* The result in ${file}, a new reference; NULL on failure. */
static json_t *
read_result(const char *file, struct err *e)
{
	struct buf b = BUF_INIT(QUEUE_PAYLOAD);

	if (file_slurp(AT_FDCWD, file, &b, e) < 0)
		return NULL;
	json_t *result = jsonx_parse_any(b.data == NULL ? "" : b.data, b.len, e);
	buf_free(&b);
	if (result == NULL) {
		e->code = ERR_BAD_DATA;
		err_add(e, "%s", file);
	}
	return result;
}

int
queue_do_done(int argc, char **argv)
{
	static const struct command self = {"awcp-queue done", "f:",
					    "usage: awcp-queue done [-f result] claim...\n"
					    "  -f result  a file with it, as JSON\n"};
	struct work w = FRESH;
	const char *file = NULL;
	const struct queue_option options[] = {{"f", queue_text, &file, 0}, {0}};
	struct err e;

	queue_options(&self, options, argc, argv);
	if (file != NULL && (w.outcome.result = read_result(file, &e)) == NULL)
		return command_fail(&e);
	int status = end_all(&w, QUEUE_COMPLETE, argc, argv);
	json_decref(w.outcome.result);
	return status;
}

int
queue_do_fail(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue fail", "m:",
	    "usage: awcp-queue fail [-m why] [--exit n] [--last] claim...\n"
	    "  -m why    for the record\n"
	    "  --exit n  status of the command that failed\n"
	    "  --last    no retry, however many are left\n"};
	struct work w = FRESH;
	const struct queue_option options[] = {{"m", queue_text, &w.reason, 0},
					       {"exit", queue_number, &w.exit, 255},
					       {"last", queue_flag, &w.outcome.last, 0},
					       {0}};

	queue_options(&self, options, argc, argv);
	return end_all(&w, QUEUE_FAIL, argc, argv);
}

int
queue_do_return(int argc, char **argv)
{
	static const struct command self = {"awcp-queue return", "m:",
					    "usage: awcp-queue return [-m why] claim...\n"
					    "  -m why  for the record\n"};
	struct work w = FRESH;
	const struct queue_option options[] = {{"m", queue_text, &w.reason, 0}, {0}};

	queue_options(&self, options, argc, argv);
	return end_all(&w, QUEUE_RETURN, argc, argv);
}

int
queue_do_limit(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue limit", "m:",
	    "usage: awcp-queue limit [-m why] [--after span] claim...\n"
	    "  -m why        for the record\n"
	    "  --after span  how long it is not taken again (60)\n"};
	struct work w = FRESH;
	const struct queue_option options[] = {
	    {"m", queue_text, &w.reason, 0}, {"after", queue_span, &w.pause, 0}, {0}};

	queue_options(&self, options, argc, argv);
	return end_all(&w, QUEUE_LIMIT, argc, argv);
}
