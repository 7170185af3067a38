#include "queued/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/home.h"
#include "http/body.h"
#include "state/space.h"

#define TASK_MAX (QUEUE_PAYLOAD + (size_t)65536) /* bytes of a task as it is sent */
#define PIECE_MAX ((size_t)256 << 10)            /* bytes of tasks that are put at a time, about */
#define PIECE 1024                               /* tasks of that, at most */
#define BATCH ((size_t)100000)                   /* tasks of a request */

/* Say in ${asked} whose it is. */
static int
set_tenant(const struct tenant *t, json_t *asked, struct err *e)
{
	const char *owner = t->caller->owner;
	const json_t *tenant = json_object_get(asked, task_tenant_path());

	if (t->name == NULL && (tenant != NULL || owner[0] == '\0'))
		return 0;
	if (tenant != NULL &&
	    (!json_is_string(tenant) || strcmp(json_string_value(tenant), t->name) != 0)) {
		err_set(e, ERR_DECLINED, "tenant is not this token's name");
		return err_hint(e, "leave it out, and it will be");
	}
	return task_set_tenant(asked, owner) < 0 ? err_memory(e) : 0;
}

/* What a task depends on must not reveal which tasks others have. */
static int
check_needs(const struct tenant *t, struct queue *q, const json_t *asked, struct err *e)
{
	char queue[QUEUE_NAME + 1];
	struct queue_claim_id needed;
	const json_t *id;
	size_t i;

	if (t->name == NULL)
		return 0;
	json_array_foreach (task_depends_on(asked), i, id) {
		const char *text = json_string_value(id);
		if (text == NULL || queue_parse_id(text, queue, &needed, NULL) < 0 ||
		    strcmp(queue, t->queue) != 0)
			continue; /* it is refused later, whoever asks */
		if (tenant_owns(t, q, needed.number, e) < 0)
			return -1;
	}
	return 0;
}

/* Is there room for ${n} tasks: on the disk, and in what the tenant may have? */
static int
check_room(const struct tenant *t, json_t **asked, size_t n, struct err *e)
{
	struct queue_load more = {.tasks = n};

	for (size_t i = 0; i < n; i++)
		more.bytes += json_dumpb(asked[i], NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	int fd = home_dir("queue", e);
	if (fd < 0 || space_for(fd, more.bytes, n, e) < 0)
		return -1;
	return quota_take(t, &more, e);
}

/* Put ${n} tasks; as queue_put. */
static int
put_tasks(const struct tenant *t, json_t **asked, size_t n, struct queue_receipt *receipts,
	  size_t *done, struct err *e)
{
	struct err why;
	size_t fine = 0;
	int status = 0;

	*done = 0;
	if (check_room(t, asked, n, e) < 0)
		return -1;
	struct queue *q = queues_borrow(t->queue, true, e);
	if (q == NULL)
		return -1;
	while (fine < n && (status = check_needs(t, q, asked[fine], &why)) == 0)
		fine++;
	if (fine > 0 && queue_put(q, asked, fine, receipts, done, e) < 0)
		status = -1;
	else if (status < 0)
		*e = why;
	queues_return(q);
	if (status < 0 && e->code == ERR_NOT_FOUND)
		e->code = ERR_BAD_DATA; /* what it depends on, not what was asked for */
	return status;
}

static json_t *
make_receipt(const struct tenant *t, const struct queue_receipt *r)
{
	char id[QUEUE_ID];

	queue_format_id(t->queue, (struct queue_claim_id){r->number, 0}, id);
	return json_pack("{ss sI sb}", "id", id, "number", (json_int_t)r->number, "created",
			 r->how == QUEUE_WAS_PUT);
}

/* The header Idempotency-Key, with quotes around it or without. */
static int
set_key(const struct http *h, json_t *asked, struct err *e)
{
	const char *key = http_variable(h, "HTTP_IDEMPOTENCY_KEY");
	const json_t *other = json_object_get(asked, task_key_path());
	size_t n = key == NULL ? 0 : strlen(key);

	if (key == NULL)
		return 0;
	if (n >= 2 && key[0] == '"' && key[n - 1] == '"') {
		key++;
		n -= 2;
	}
	json_t *value = json_stringn(key, n);
	if (value == NULL)
		return err_set(e, ERR_BAD_DATA, "the key is not UTF-8");
	if (other != NULL && !json_equal(other, value)) {
		json_decref(value);
		return err_set(e, ERR_BAD_DATA, "key and Idempotency-Key are not the same");
	}
	return json_object_set_new(asked, task_key_path(), value) < 0 ? err_memory(e) : 0;
}

static int
put_one(struct http *h, const struct tenant *t, struct err *e)
{
	struct queue_receipt r;
	char more[QUEUE_NAME + 64];
	size_t done;

	json_t *asked = body_json(h, TASK_MAX, false, e);
	if (asked == NULL)
		return -1;
	int status = -1;
	if (set_tenant(t, asked, e) == 0 && set_key(h, asked, e) == 0)
		status = put_tasks(t, &asked, 1, &r, &done, e);
	json_decref(asked);
	if (status < 0)
		return -1;
	(void)snprintf(more, sizeof more, "Location: /queue/%s/tasks/%llu\r\n", t->queue,
		       (unsigned long long)r.number);
	http_json_with(h, r.how == QUEUE_WAS_PUT ? 201 : 200, make_receipt(t, &r), more);
	return 0;
}

struct batch {
	const struct tenant *tenant;
	json_t *task[PIECE];
	uint64_t line[PIECE]; /* where each was */
	size_t count, bytes;
	struct queue_receipt receipt[BATCH]; /* of all pieces so far */
	size_t done;
	uint64_t lines; /* so far */
	uint64_t wrong; /* the one that was refused */
};

/* Put what there is. */
static int
put_piece(struct batch *b, struct err *e)
{
	size_t done = 0;
	int status = 0;

	if (b->count > 0)
		status = put_tasks(b->tenant, b->task, b->count, b->receipt + b->done, &done, e);
	if (status < 0)
		b->wrong = b->line[done];
	b->done += done;
	for (size_t i = 0; i < b->count; i++)
		json_decref(b->task[i]);
	b->count = b->bytes = 0;
	return status;
}

static int
add_line(struct batch *b, const char *p, size_t n, struct err *e)
{
	json_t *task = NULL;

	b->wrong = ++b->lines;
	if (strspn(p, " \t\r") == n)
		return 0;
	if (b->done + b->count == BATCH)
		return err_set(e, ERR_TOO_LARGE, "a batch has at most %zu tasks", BATCH);
	if ((task = jsonx_parse(p, n, e)) == NULL)
		e->code = ERR_BAD_MESSAGE;
	if (task == NULL || set_tenant(b->tenant, task, e) < 0) {
		json_decref(task);
		return -1;
	}
	b->line[b->count] = b->lines;
	b->task[b->count++] = task;
	b->bytes += n;
	return b->count == PIECE || b->bytes > PIECE_MAX ? put_piece(b, e) : 0;
}

/* Add what is in ${line} and the ${n} bytes after it, as far as the lines are whole. */
static int
add_bytes(struct batch *b, struct buf *line, const char *p, size_t n, struct err *e)
{
	const char *newline;

	for (; (newline = memchr(p, '\n', n)) != NULL; buf_clear(line)) {
		size_t m = (size_t)(newline - p);
		if (buf_add(line, p, m, e) < 0)
			break;
		if (add_line(b, line->len > 0 ? line->data : "", line->len, e) < 0)
			return -1;
		p += m + 1;
		n -= m + 1;
	}
	b->wrong = b->lines + 1;
	return newline == NULL ? buf_add(line, p, n, e) : -1;
}

static int
read_lines(struct http *h, struct batch *b, struct err *e)
{
	struct buf line = BUF_INIT(TASK_MAX);
	char piece[16384];
	int status = 0;
	ssize_t n;

	while (status >= 0 && (n = http_read(h, piece, sizeof piece, e)) != 0)
		status = n < 0 ? -1 : add_bytes(b, &line, piece, (size_t)n, e);
	if (status >= 0 && line.len > 0)
		status = add_line(b, line.data, line.len, e);
	buf_free(&line);
	return status;
}

static void
write_line(struct http *h, json_t *o)
{
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (text == NULL)
		return;
	(void)http_write(h, text, strlen(text));
	(void)http_write(h, "\n", 1);
	free(text);
}

/* Report what was put, and with ${why} what was not. */
static void
answer_batch(struct http *h, const struct batch *b, const struct err *why)
{
	json_t *refusal = why != NULL ? json_pack("{sI}", "line", (json_int_t)b->wrong) : NULL;

	if (why != NULL && b->done == 0) {
		http_fail_with(h, why, refusal);
		return;
	}
	http_begin(h, why != NULL ? http_status(h, why->code) : 201, "application/x-ndjson",
		   "Cache-Control: no-store\r\n");
	for (size_t i = 0; i < b->done; i++)
		write_line(h, make_receipt(b->tenant, &b->receipt[i]));
	if (why != NULL)
		write_line(h, http_refusal(h, why, refusal));
}

static int
put_batch(struct http *h, const struct tenant *t, struct err *e)
{
	struct err earlier;

	if (http_variable(h, "HTTP_IDEMPOTENCY_KEY") != NULL) {
		err_set(e, ERR_BAD_DATA, "a batch has no single key");
		return err_hint(e, "give each line a \"key\"");
	}
	struct batch *b = calloc(1, sizeof *b);
	if (b == NULL)
		return err_memory(e);
	b->tenant = t;
	int status = read_lines(h, b, e);
	uint64_t wrong = b->wrong;
	if (put_piece(b, &earlier) < 0) { /* one before that */
		*e = earlier;
		status = -1;
	} else {
		b->wrong = wrong;
	}
	if (status >= 0 && b->done == 0)
		status = err_set(e, ERR_BAD_MESSAGE, "there is no task in it");
	answer_batch(h, b, status < 0 ? e : NULL);
	free(b);
	return 0;
}

int
put_answer(struct http *h, const struct tenant *t, struct err *e)
{
	return body_is(h, "application/x-ndjson") ? put_batch(h, t, e) : put_one(h, t, e);
}
