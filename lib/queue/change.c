#include "queue/private.h"

#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "log/lifecycle.h"

#define LINES_KEPT 65536 /* bytes of memory that an idle queue keeps */

void
queue_drop_changes(struct queue *q)
{
	for (size_t i = 0; i < q->changes; i++)
		json_decref(q->change[i].task);
	q->changes = 0;
	if (q->lines.cap > LINES_KEPT)
		buf_free(&q->lines);
	buf_clear(&q->lines);
}

/* Append the line of ${task}, with ${payload} or without. */
static int
append_line(struct queue *q, json_t *task, bool payload, struct err *e)
{
	json_t *content = payload ? NULL : json_incref(task_payload(task));

	if (content != NULL)
		task_drop_payload(task);
	int status = jsonx_dump(task, &q->lines, e);
	if (content != NULL && task_set_payload(task, content) < 0)
		status = err_memory(e);
	return status < 0 ? -1 : buf_add(&q->lines, "\n", 1, e);
}

int
queue_change_again(struct queue *q, json_t *task, bool put, struct err *e)
{
	if ((q->changes == QUEUE_BATCH || q->lines.len > q->lines.max - QUEUE_LINE) &&
	    queue_write(q, put ? QUEUE_KEEP_NEW : 0, e) < 0)
		return -1;
	if (task_set_version(task, (int64_t)(q->index.head.version + q->changes + 1)) < 0)
		return err_memory(e);
	size_t offset = q->lines.len;
	int status = append_line(q, task, put, e);
	if (q->lines.len - offset > QUEUE_LINE)
		status = err_set(e, ERR_TOO_LARGE, "the task is longer than %d bytes", QUEUE_LINE);
	if (status < 0) {
		q->lines.len = offset;
		return -1;
	}
	q->change[q->changes].task = json_incref(task);
	q->change[q->changes].put = put;
	q->change[q->changes++].offset = offset;
	return 0;
}

int
queue_change(struct queue *q, json_t *task, bool put, struct err *e)
{
	char now[CLOCK_TEXT];

	if (task_set_updated(task, clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	return queue_change_again(q, task, put, e);
}

/* What waits for task ${number}, or was blocked by it, is to be looked at. */
static int
note_turn(struct queue *q, uint64_t number, struct err *e)
{
	uint64_t *more = array_grow(q->ended, q->ended_count + 1, &q->ended_cap, sizeof *more, e);

	if (more == NULL)
		return -1;
	q->ended = more;
	q->ended[q->ended_count++] = number;
	return 0;
}

/* Count a task that ended now. */
static void
count_end(struct queue_head *h)
{
	int64_t minute = clock_now() / 60000;

	if (minute - h->minute >= QUEUE_MINUTES || minute < h->minute)
		memset(h->ended, 0, sizeof h->ended);
	else
		for (int64_t m = h->minute + 1; m <= minute; m++)
			h->ended[m % QUEUE_MINUTES] = 0;
	h->minute = minute;
	h->ended[minute % QUEUE_MINUTES]++;
}

static uint64_t
all_bits(const json_t *texts)
{
	const json_t *text;
	uint64_t bits = 0;
	size_t i;

	json_array_foreach (texts, i, text)
		bits |= queue_bits(json_string_value(text));
	return bits;
}

/* What the cell of ${task} says, but for where its lines are. */
static void
fill_cell(struct queue_cell *c, const json_t *task, uint64_t put)
{
	bool waits = task_waits_for(task) > 0;

	c->state = (uint8_t)queue_task_state(task);
	c->when = queue_task_time(task);
	c->attempt = (uint32_t)task_attempt(task);
	c->priority = (uint8_t)((uint64_t)task_priority(task) % QUEUE_PRIORITIES);
	c->flags = (uint8_t)((c->flags & ~QUEUE_DEPENDS) | (waits ? QUEUE_DEPENDS : 0));
	if (put == 0)
		return;
	c->size = queue_cell_size(put);
	c->labels = all_bits(task_labels(task));
	c->needs = all_bits(task_requires(task));
	c->key = (uint32_t)queue_hash(task_key(task));
	c->tenant = (uint32_t)queue_hash(task_tenant(task));
	c->lane = (uint32_t)queue_hash(task_lane(task));
	c->session = (uint32_t)queue_hash(task_session(task));
	if (task_requires(task) != NULL)
		c->flags |= QUEUE_REQUIRES;
}

int
queue_index_line(struct queue *q, const json_t *task, uint64_t at, uint64_t put, bool again,
		 struct err *e)
{
	uint64_t number = (uint64_t)task_number(task);
	struct queue_head *h = &q->index.head;

	if (put > 0 && again && !q->index.readonly && queue_note_put(q, task, e) < 0)
		return -1;
	struct queue_cell *c = queue_index_cell(&q->index, number, e);
	if (c == NULL)
		return -1;
	bool had_ended = queue_state_ended((enum queue_state)c->state);
	/* Its first line may have been damaged: the task is known, if not what it was to do. */
	if (put > 0 || c->put == 0)
		c->put = at;
	c->last = at;
	fill_cell(c, task, put);
	bool ended = queue_state_ended((enum queue_state)c->state);
	if (c->state == QUEUE_PENDING || ended)
		q->ring = true; /* an end may leave its lane to another */
	bool needed = (c->flags & QUEUE_DEPENDANTS) != 0;
	queue_index_mark(&q->index, number);
	if (number > h->count)
		h->count = number;
	if (!ended && (number - 1) / QUEUE_CELLS < h->first)
		h->first = (number - 1) / QUEUE_CELLS;
	if (ended && !had_ended && !again)
		count_end(h);
	return needed && (ended != had_ended || again) ? note_turn(q, number, e) : 0;
}

/* Log change ${i}, which is in the journal but not in the index yet.  Tasks that were put one after
 * the other, and are in the same state, are logged as one: returns what is next. */
static size_t
log_change(struct queue *q, size_t i)
{
	const json_t *task = q->change[i].task, *last = NULL;
	const char *state = task_state(task), *previous = NULL;
	size_t end = i + 1;

	const struct queue_cell *c = queue_index_cell(&q->index, (uint64_t)task_number(task), NULL);
	if (c != NULL && c->put != 0) /* one may be written again as it is */
		previous = queue_state_name((enum queue_state)c->state);
	for (; q->change[i].put && end < q->changes && q->change[end].put; end++) {
		const json_t *next = q->change[end].task;
		if (strcmp(task_state(next), state) != 0)
			break;
		last = next;
	}
	if (previous != NULL && strcmp(previous, state) == 0)
		return end;
	const json_t *attempt = queue_task_last_attempt(task);
	const struct lifecycle_task change = {.id = task_id(task),
					      .last = last == NULL ? NULL : task_id(last),
					      .from = previous,
					      .to = state,
					      .attempt = task_attempt(task),
					      .worker =
						  attempt == NULL ? NULL : attempt_worker(attempt),
					      .outcome = attempt_outcome(attempt),
					      .code = task_error_code(task),
					      .message = task_error_message(task)};
	lifecycle_task(&change);
	return end;
}

/* The bytes of the line of change ${i}. */
static uint64_t
line_size(const struct queue *q, size_t i)
{
	return (i + 1 < q->changes ? q->change[i + 1].offset : q->lines.len) - q->change[i].offset;
}

/* Append the lines so far and index them. */
static int
write_lines(struct queue *q, size_t keep, struct err *e)
{
	uint64_t at[QUEUE_BATCH], begin;
	struct queue_head *h = &q->index.head;

	/* New tasks leave space for more changes here than they do in the journal. */
	if (keep == QUEUE_KEEP_NEW &&
	    queue_index_reserve(&q->index, h->count + q->changes, h->version + q->changes, e) < 0)
		return -1;
	if (queue_journal_append(&q->journal, &q->lines, keep, &begin, &h->end, e) < 0)
		return -1;
	for (size_t i = 0, logged = 0; i < q->changes; i++) {
		if (i == logged)
			logged = log_change(q, i);
		at[i] = begin + q->change[i].offset;
		uint64_t size = line_size(q, i);
		if (queue_index_line(q, q->change[i].task, at[i], q->change[i].put ? size : 0,
				     false, e) < 0)
			return -1;
	}
	if (queue_index_versions(&q->index, h->version + 1, at, q->changes, e) < 0)
		queue_index_distrust(&q->index);
	h->version += q->changes;
	return 0;
}

int
queue_write(struct queue *q, size_t keep, struct err *e)
{
	int status = q->changes == 0 ? 0 : write_lines(q, keep, e);

	queue_drop_changes(q); /* never to be written twice */
	return status;
}
