/* queue_work - awcp-queue take, beat, done, fail, return and limit: what workers do */
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "queue_command.h"

enum word { EXIT = 256, LAST, LEASE, AFTER };

/* The options of all of them; each has its own letters and words. */
struct work {
	const char *queue, *reason, *file;
	struct queue_words capabilities;
	int64_t lease; /* ms */
	bool json, wait;
	struct queue_outcome outcome;
};

static struct work
read_options(const struct command *self, const struct option *words, int argc, char **argv)
{
	struct work w = {.queue = QUEUE_DEFAULT,
			 .lease = QUEUE_LEASE_MS,
			 .outcome = {.exit = -1, .pause = 60000}};
	int option;

	while ((option = command_option_word(self, words, argc, argv)) != -1)
		switch (option) {
		case 'f':
			w.file = optarg;
			break;
		case 'j':
			w.json = true;
			break;
		case 'm':
			w.reason = w.outcome.message = optarg;
			break;
		case 'q':
			w.queue = optarg;
			break;
		case 'r':
			queue_option_add(&w.capabilities);
			break;
		case 'W':
			w.wait = true;
			break;
		case AFTER:
			w.outcome.pause = queue_option_span("--after") * 1000;
			break;
		case EXIT:
			w.outcome.exit = (int)queue_option_number("--exit", 0, 255);
			break;
		case LAST:
			w.outcome.last = true;
			break;
		case LEASE:
			w.lease = queue_option_span("--lease") * 1000;
			break;
		}
	return w;
}

static const struct option no_words[] = {{0}};
static const struct option lease_words[] = {{"lease", required_argument, NULL, LEASE}, {0}};

/* Claim a task, or wait for one: 1 and *${c}, 0, -1. */
static int
take_task(const struct work *w, struct queue *q, struct queue_claim **c, struct err *e)
{
	char name[128], host[64] = "";
	const struct queue_worker worker = {
	    .name = name, .lease = w->lease, .capabilities = w->capabilities.text};
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
	const struct work w = read_options(&self, lease_words, argc, argv);
	struct queue_claim *c;
	char id[QUEUE_ID];
	struct err e;

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
	if (q == NULL || queue_beat(q, claim, w->lease, w->reason, &e) < 0)
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
	    "  --lease span  how long the claim holds without a beat (60)\n"};
	struct work w = read_options(&self, lease_words, argc, argv);

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

/* The result in ${file}, a new reference; NULL on failure. */
static json_t *
read_result(const char *file, struct err *e)
{
	struct buf b = BUF_INIT(QUEUE_PAYLOAD);
	json_error_t why;

	if (file_slurp(AT_FDCWD, file, &b, e) < 0)
		return NULL;
	json_t *result = json_loadb(b.data == NULL ? "" : b.data, b.len, JSON_DECODE_ANY, &why);
	buf_free(&b);
	if (result == NULL)
		err_set(e, ERR_BAD_DATA, "%s is not JSON: %s (line %d)", file, why.text, why.line);
	return result;
}

int
queue_do_done(int argc, char **argv)
{
	static const struct command self = {"awcp-queue done", "f:",
					    "usage: awcp-queue done [-f result] claim...\n"
					    "  -f result  a file with it, as JSON\n"};
	struct work w = read_options(&self, no_words, argc, argv);
	struct err e;

	w.outcome.event = QUEUE_COMPLETE;
	if (w.file != NULL && (w.outcome.result = read_result(w.file, &e)) == NULL)
		return command_fail(&e);
	int status = queue_each_operand(argc, argv, "claim", end_one, &w);
	json_decref(w.outcome.result);
	return status;
}

int
queue_do_fail(int argc, char **argv)
{
	static const struct option words[] = {
	    {"exit", required_argument, NULL, EXIT}, {"last", no_argument, NULL, LAST}, {0}};
	static const struct command self = {
	    "awcp-queue fail", "m:",
	    "usage: awcp-queue fail [-m why] [--exit n] [--last] claim...\n"
	    "  -m why    for the record\n"
	    "  --exit n  status of the command that failed\n"
	    "  --last    no retry, however many are left\n"};
	struct work w = read_options(&self, words, argc, argv);

	w.outcome.event = QUEUE_FAIL;
	return queue_each_operand(argc, argv, "claim", end_one, &w);
}

int
queue_do_return(int argc, char **argv)
{
	static const struct command self = {"awcp-queue return", "m:",
					    "usage: awcp-queue return [-m why] claim...\n"
					    "  -m why  for the record\n"};
	struct work w = read_options(&self, no_words, argc, argv);

	w.outcome.event = QUEUE_RETURN;
	return queue_each_operand(argc, argv, "claim", end_one, &w);
}

int
queue_do_limit(int argc, char **argv)
{
	static const struct option words[] = {{"after", required_argument, NULL, AFTER}, {0}};
	static const struct command self = {
	    "awcp-queue limit", "m:",
	    "usage: awcp-queue limit [-m why] [--after span] claim...\n"
	    "  -m why        for the record\n"
	    "  --after span  how long it is not taken again (60)\n"};
	struct work w = read_options(&self, words, argc, argv);

	w.outcome.event = QUEUE_LIMIT;
	return queue_each_operand(argc, argv, "claim", end_one, &w);
}
