/* queue_put - awcp-queue put: options or lines of JSON in, ids out */
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

#define BATCH 4096
#define BATCH_BYTES (2 << 20)

static int
set_number(json_t *task, const char *name, int64_t value)
{
	return value < 0 ? 0 : json_object_set_new(task, name, json_integer(value));
}

static int
set_text(json_t *task, const char *name, const char *text)
{
	if (text == NULL)
		return 0;
	if (json_object_set_new(task, name, json_string(text)) < 0)
		command_usage("not UTF-8: %s", text);
	return 0;
}

static int
set_list(json_t *task, const char *name, const char *const *list)
{
	if (*list == NULL)
		return 0;
	json_t *array = json_array();
	for (; *list != NULL; list++)
		if (json_array_append_new(array, json_string(*list)) < 0)
			command_usage("not UTF-8: %s", *list);
	return json_object_set_new(task, name, array);
}

/* What the task waits for; people may have named it. */
static json_t *
needs(const struct queue_options *o)
{
	json_t *ids = json_array();
	const json_t *one;
	char id[QUEUE_ID];
	uint64_t number;
	size_t i;

	json_array_foreach (o->needs, i, one) {
		(void)snprintf(id, sizeof id, "%s", json_string_value(one));
		if (queue_is_name(id, &number))
			queue_format_id(o->queue, (struct queue_claim_id){number, 0}, id);
		(void)json_array_append_new(ids, json_string(id));
	}
	return ids;
}

/* What the options ask for; the payload is not in it yet. */
static json_t *
from_options(const struct queue_options *o)
{
	char text[CLOCK_TEXT];
	json_t *task = json_object();

	if (set_text(task, "lane", o->lane) < 0 || set_text(task, "key", o->key) < 0 ||
	    set_text(task, "session", o->session) < 0 || set_list(task, "labels", o->labels) < 0 ||
	    set_list(task, "requires", o->requires) < 0 ||
	    set_number(task, "priority", o->priority) < 0 ||
	    set_number(task, "timeout", o->timeout) < 0 ||
	    set_number(task, "retries", o->retries) < 0 ||
	    set_number(task, "backoff", o->backoff) < 0 ||
	    (o->unique && json_object_set_new(task, "unique", json_true()) < 0) ||
	    (o->always && json_object_set_new(task, "afterFailure", json_true()) < 0) ||
	    (o->needs != NULL && json_object_set_new(task, "dependsOn", needs(o)) < 0) ||
	    (o->after > 0 &&
	     jsonx_set(task, "notBefore", clock_format(clock_now() + o->after * 1000, text)) < 0)) {
		json_decref(task);
		return NULL;
	}
	return task;
}

/* The prompt: operands with a space between, else the file, else stdin. */
static int
read_prompt(const struct queue_options *o, struct buf *b, struct err *e)
{
	char piece[65536];
	ssize_t n;

	for (int i = 0; i < o->count; i++)
		if (buf_printf(b, e, "%s%s", i > 0 ? " " : "", o->operands[i]) < 0)
			return -1;
	if (o->count > 0)
		return 0;
	int fd =
	    o->file == NULL || strcmp(o->file, "-") == 0 ? 0 : open(o->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot read %s", o->file);
	while ((n = file_read(fd, piece, sizeof piece, e)) > 0)
		if (buf_add(b, piece, (size_t)n, e) < 0)
			return err_hint(e,
					"a prompt has at most %d bytes; put it into a file, and "
					"name that",
					QUEUE_PAYLOAD);
	return n < 0 ? -1 : 0;
}

static int
show_receipts(const struct queue_options *o, struct queue *q, const struct queue_receipt *r,
	      size_t n)
{
	struct err e;

	for (size_t i = 0; i < n; i++) {
		if (!o->json || n > 1 || o->count > 0) {
			(void)printf("%s.%llu\n", queue_name(q), (unsigned long long)r[i].number);
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
put_one(const struct queue_options *o, struct queue *q)
{
	struct buf b = BUF_INIT(QUEUE_PAYLOAD);
	struct queue_receipt receipt;
	struct err e;
	size_t done;
	int status;

	json_t *task = from_options(o);
	if (task == NULL)
		status = command_fail((err_memory(&e), &e));
	else if (read_prompt(o, &b, &e) < 0)
		status = command_fail(&e);
	else if (b.len == 0)
		status = command_fail((err_set(&e, ERR_USAGE, "there is no prompt"), &e));
	else if (strlen(b.data) != b.len ||
		 json_object_set_new(task, "payload", json_string(b.data)) < 0)
		status = command_fail(
		    (err_set(&e, ERR_BAD_DATA, "the prompt is not text in UTF-8"), &e));
	else if (queue_put(q, &task, 1, &receipt, &done, &e) < 0)
		status = command_fail(&e);
	else
		status = show_receipts(o, q, &receipt, 1);
	buf_free(&b);
	json_decref(task);
	return status;
}

/* The tasks of a batch. */
struct batch {
	json_t *task[BATCH];
	struct queue_receipt receipt[BATCH];
	size_t count, bytes;
	size_t before; /* lines of the batches before */
};

static int
flush(const struct queue_options *o, struct queue *q, struct batch *b)
{
	struct err e;
	size_t done = 0;
	int status = 0;

	if (b->count > 0 && queue_put(q, b->task, b->count, b->receipt, &done, &e) < 0) {
		err_add(&e, "line %zu", b->before + done + 1);
		status = command_fail(&e);
	}
	(void)show_receipts(o, q, b->receipt, done);
	(void)fflush(stdout);
	for (size_t i = 0; i < b->count; i++)
		json_decref(b->task[i]);
	b->before += b->count;
	b->count = b->bytes = 0;
	return status;
}

/* What a line of the input does not say is what the options say. */
static int
add_line(const struct queue_options *o, struct batch *b, const char *line, size_t n, struct err *e)
{
	json_t *task = jsonx_parse(line, n, e);
	json_t *rest = task == NULL ? NULL : from_options(o);

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

/* Lines of JSON on stdin: durable batch by batch, and the ids of a batch when it is. */
static int
put_lines(const struct queue_options *o, struct queue *q)
{
	struct batch *b = calloc(1, sizeof *b);
	char *line = NULL;
	size_t size = 0;
	struct err e;
	ssize_t n;
	int status = 0;

	if (b == NULL)
		return command_fail((err_memory(&e), &e));
	while (status == 0 && (n = getline(&line, &size, stdin)) > 0) {
		if (n > QUEUE_PAYLOAD + 65536)
			err_set(&e, ERR_TOO_LARGE, "line %zu is too long",
				b->before + b->count + 1);
		if (n > QUEUE_PAYLOAD + 65536 || add_line(o, b, line, (size_t)n, &e) < 0) {
			status = flush(o, q, b);
			if (status == 0)
				status = command_fail(&e);
		} else if (b->count == BATCH || b->bytes > BATCH_BYTES) {
			status = flush(o, q, b);
		}
	}
	if (status == 0)
		status = flush(o, q, b);
	free(line);
	free(b);
	return status;
}

int
queue_do_put(const struct queue_options *o)
{
	struct err e;

	struct queue *q = queue_open(o->queue, true, &e);
	if (q == NULL)
		return command_fail(&e);
	bool lines = o->json && o->count == 1 && strcmp(o->operands[0], "-") == 0;
	int status = lines ? put_lines(o, q) : put_one(o, q);
	queue_close(q);
	return status;
}
