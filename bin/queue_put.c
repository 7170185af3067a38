/* queue_put - awcp-queue put: options or lines of JSON in, ids out */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "prompt.h"
#include "queue_command.h"

#define BATCH 4096
#define BATCH_BYTES (2 << 20)

/* What the options say. */
struct put {
	const char *queue, *file, *key, *lane, *session;
	struct queue_words labels, requires;
	json_t *needs;                                      /* tasks of -w; NULL: none */
	int64_t priority, after, backoff, retries, timeout; /* -1: not given */
	bool json, unique, always;
	char **operands;
	int count;
};

/* Each sets a member, if its option was given. */
static int
set_number(json_t *task, int (*set)(json_t *task, int64_t n), int64_t value)
{
	return value < 0 ? 0 : set(task, value);
}

static int
set_text(json_t *task, int (*set)(json_t *task, const char *text), const char *text)
{
	return text == NULL ? 0 : set(task, text);
}

static int
set_list(json_t *task, int (*set)(json_t *task, json_t *list), const struct queue_words *words)
{
	if (words->count == 0)
		return 0;
	json_t *list = json_array();
	for (size_t i = 0; i < words->count; i++)
		(void)json_array_append_new(list, json_string(words->text[i]));
	return set(task, list);
}

/* What the task waits for; people may have named it. */
static json_t *
make_needs(const struct put *p)
{
	json_t *ids = json_array();
	char text[QUEUE_ID];
	const json_t *one;
	uint64_t number;
	size_t i;

	json_array_foreach (p->needs, i, one) {
		const char *id = json_string_value(one);
		if (queue_is_name(id, &number))
			id = queue_format_id(p->queue, (struct queue_claim_id){number, 0}, text);
		(void)json_array_append_new(ids, json_string(id));
	}
	return ids;
}

/* What the options ask for; the payload is not in it yet. */
static json_t *
from_options(const struct put *p)
{
	char text[CLOCK_TEXT];
	json_t *task = json_object();

	if (set_text(task, task_set_lane, p->lane) < 0 ||
	    set_text(task, task_set_key, p->key) < 0 ||
	    set_text(task, task_set_session, p->session) < 0 ||
	    set_list(task, task_set_labels, &p->labels) < 0 ||
	    set_list(task, task_set_requires, &p->requires) < 0 ||
	    set_number(task, task_set_priority, p->priority) < 0 ||
	    set_number(task, task_set_timeout, p->timeout) < 0 ||
	    set_number(task, task_set_retries, p->retries) < 0 ||
	    set_number(task, task_set_backoff, p->backoff) < 0 ||
	    (p->unique && task_set_unique(task, true) < 0) ||
	    (p->always && task_set_after_failure(task, true) < 0) ||
	    (p->needs != NULL && task_set_depends_on(task, make_needs(p)) < 0) ||
	    (p->after > 0 &&
	     task_set_not_before(task, clock_format(clock_now() + p->after * 1000, text)) < 0)) {
		json_decref(task);
		return NULL;
	}
	return task;
}

static int
show_receipts(const struct put *p, struct queue *q, const struct queue_receipt *r, size_t n)
{
	char id[QUEUE_ID];
	struct err e;

	for (size_t i = 0; i < n; i++) {
		if (!p->json || n > 1 || p->count > 0) {
			const struct queue_claim_id task = {r[i].number, 0};
			(void)puts(queue_format_id(queue_name(q), task, id));
			continue;
		}
		json_t *task = queue_show(q, r[i].number, &e);
		if (task == NULL)
			return command_fail(&e);
		command_json(task);
		json_decref(task);
	}
	return 0;
}

static int
too_long(struct err *e)
{
	return err_hint(e, "a prompt has at most %d bytes; put it into a file, and name that",
			QUEUE_PAYLOAD);
}

static int
put_one(const struct put *p, struct queue *q)
{
	struct buf b = BUF_INIT(QUEUE_PAYLOAD);
	struct queue_receipt receipt;
	struct err e;
	size_t done;
	int status;

	json_t *task = from_options(p);
	if (task == NULL)
		status = command_fail((err_memory(&e), &e));
	else if (prompt_read("prompt", p->file, p->count, p->operands, &b, &e) < 0)
		status = command_fail(e.code == ERR_TOO_LARGE ? (too_long(&e), &e) : &e);
	else if (task_set_payload(task, json_string(b.data)) < 0)
		status = command_fail(
		    (err_set(&e, ERR_BAD_DATA, "the prompt is not text in UTF-8"), &e));
	else if (queue_put(q, &task, 1, &receipt, &done, &e) < 0)
		status = command_fail(&e);
	else
		status = show_receipts(p, q, &receipt, 1);
	buf_free(&b);
	json_decref(task);
	return status;
}

/* The tasks of a batch. */
struct batch {
	json_t *task[BATCH];
	struct queue_receipt receipt[BATCH];
	size_t count, bytes;
	size_t before; /* lines of the previous batches */
};

static int
put_batch(const struct put *p, struct queue *q, struct batch *b)
{
	struct err e;
	size_t done = 0;
	int status = 0;

	if (b->count > 0 && queue_put(q, b->task, b->count, b->receipt, &done, &e) < 0) {
		err_add(&e, "line %zu", b->before + done + 1);
		status = command_fail(&e);
	}
	(void)show_receipts(p, q, b->receipt, done);
	(void)fflush(stdout);
	for (size_t i = 0; i < b->count; i++)
		json_decref(b->task[i]);
	b->before += b->count;
	b->count = b->bytes = 0;
	return status;
}

/* What a line of the input does not say is what the options say. */
static int
add_line(const struct put *p, struct batch *b, const char *line, size_t n, struct err *e)
{
	json_t *task = jsonx_parse(line, n, e);
	json_t *rest = task == NULL ? NULL : from_options(p);

	if (task == NULL) {
		e->code = ERR_BAD_DATA;
		return err_add(e, "line %zu", b->before + b->count + 1);
	}
	if (rest == NULL || json_object_update_missing(task, rest) < 0) {
		json_decref(rest);
		json_decref(task);
		return err_memory(e);
	}
	json_decref(rest);
	b->task[b->count++] = task;
	b->bytes += n;
	return 0;
}

/* Add a line, and put the batch when it is large enough; as put_batch.  Those before a line that is
 * wrong are put. */
static int
put_line(const struct put *p, struct queue *q, struct batch *b, const char *line, size_t n)
{
	struct err e;
	int added = 0;

	if (n > QUEUE_PAYLOAD + 65536)
		added =
		    err_set(&e, ERR_TOO_LARGE, "line %zu is too long", b->before + b->count + 1);
	else
		added = add_line(p, b, line, n, &e);
	if (added < 0) {
		int status = put_batch(p, q, b);
		return status != 0 ? status : command_fail(&e);
	}
	return b->count == BATCH || b->bytes > BATCH_BYTES ? put_batch(p, q, b) : 0;
}

/* Lines of JSON on stdin: durable batch by batch, and the ids of a batch when it is. */
static int
put_lines(const struct put *p, struct queue *q)
{
	struct batch *b = calloc(1, sizeof *b);
	char *line = NULL;
	size_t size = 0;
	struct err e;
	ssize_t n;
	int status = 0;

	if (b == NULL)
		return command_fail((err_memory(&e), &e));
	while (!status && (n = getline(&line, &size, stdin)) > 0)
		status = put_line(p, q, b, line, (size_t)n);
	if (!status)
		status = put_batch(p, q, b);
	free(line);
	free(b);
	return status;
}

static void
read_need(const struct queue_option *o)
{
	json_t **needs = o->value;

	queue_utf8(optarg);
	if (*needs == NULL)
		*needs = json_array();
	(void)json_array_append_new(*needs, json_string(optarg));
}

int
queue_do_put(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue put", "f:jk:L:l:p:q:r:uw:",
	    "usage: awcp-queue put [-ju] [-q queue] [-f file] [-k key] [-L label]... [-l lane]\n"
	    "                  [-p priority] [-r capability]... [-w task]... [--after span]\n"
	    "                  [--always] [--backoff span] [--retries n] [--session name]\n"
	    "                  [--timeout span] [prompt... | -]\n"
	    "  -f file         the prompt is in it\n"
	    "  -j              show the task as JSON; with - the tasks are JSON, one a line\n"
	    "  -k key          put once only: the same key gives the same task\n"
	    "  -L label        of the task\n"
	    "  -l lane         tasks of a lane run one after the other\n"
	    "  -p priority     0 (the default) to 9, the most urgent\n"
	    "  -q queue        to put it on (default)\n"
	    "  -r capability   that the worker must have\n"
	    "  -u              nothing is put while the task with this key has not ended\n"
	    "  -w task         after which this one runs\n"
	    "  --after span    not before that time has passed (90, 15m, 2h, 7d)\n"
	    "  --always        run even if a task of -w did not complete\n"
	    "  --backoff span  before the first retry, doubled for each (10)\n"
	    "  --retries n     after a failure (0)\n"
	    "  --session name  that the task belongs to\n"
	    "  --timeout span  time limit of an attempt\n"};
	struct put p = {.queue = QUEUE_DEFAULT,
			.priority = -1,
			.after = -1,
			.backoff = -1,
			.retries = -1,
			.timeout = -1};
	const struct queue_option options[] = {{"f", queue_text, &p.file, 0},
					       {"j", queue_flag, &p.json, 0},
					       {"k", queue_text, &p.key, 0},
					       {"L", queue_words, &p.labels, 0},
					       {"l", queue_text, &p.lane, 0},
					       {"p", queue_number, &p.priority, 9},
					       {"q", queue_text, &p.queue, 0},
					       {"r", queue_words, &p.requires, 0},
					       {"u", queue_flag, &p.unique, 0},
					       {"w", read_need, &p.needs, 0},
					       {"after", queue_span, &p.after, 0},
					       {"always", queue_flag, &p.always, 0},
					       {"backoff", queue_span, &p.backoff, 0},
					       {"retries", queue_number, &p.retries, 1000},
					       {"session", queue_text, &p.session, 0},
					       {"timeout", queue_span, &p.timeout, 0},
					       {0}};
	struct err e;

	queue_options(&self, options, argc, argv);
	p.operands = argv + optind;
	p.count = argc - optind;
	struct queue *q = queue_open(p.queue, true, &e);
	if (q == NULL)
		return command_fail(&e);
	bool lines = p.json && p.count == 1 && strcmp(p.operands[0], "-") == 0;
	int status = lines ? put_lines(&p, q) : put_one(&p, q);
	queue_close(q);
	json_decref(p.needs);
	return status;
}
