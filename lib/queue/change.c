/*
 * queue_change - how a queue changes: lines for the journal, and what they mean for the index.
 */
#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "log/lifecycle.h"

#define LINES_KEPT 65536 /* who has many queues open has the memory of each */

/* Wake whoever waits for a task: a file that is written is an event for all who watch. */
static void
ring(const struct queue *q)
{
	int fd = openat(q->bellfd, "rung", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	file_close(fd); /* who is not woken looks by itself within a second */
}

static void
drop_changes(struct queue *q)
{
	for (size_t i = 0; i < q->changes; i++)
		json_decref(q->change[i].task);
	q->changes = 0;
	if (q->lines.cap > LINES_KEPT)
		buf_free(&q->lines);
	buf_clear(&q->lines);
}

void
queue_abort(struct queue *q)
{
	drop_changes(q);
	q->ended_count = 0;
	queue_index_unlock(&q->index);
}

int
queue_change_again(struct queue *q, json_t *task, bool put, struct err *e)
{
	if ((q->changes == QUEUE_BATCH || q->lines.len > q->lines.max - QUEUE_LINE) &&
	    queue_write(q, put ? QUEUE_KEEP_NEW : 0, e) < 0)
		return -1;
	json_int_t version = (json_int_t)q->index.head.version + (json_int_t)q->changes + 1;
	if (json_object_set_new(task, "version", json_integer(version)) < 0)
		return err_memory(e);
	json_t *payload = put ? NULL : json_incref(json_object_get(task, "payload"));
	if (payload != NULL)
		(void)json_object_del(task, "payload");
	size_t offset = q->lines.len;
	int status = jsonx_dump(task, &q->lines, e);
	if (status == 0)
		status = buf_add(&q->lines, "\n", 1, e);
	if (payload != NULL && json_object_set_new(task, "payload", payload) < 0)
		status = err_memory(e);
	if (status == 0 && q->lines.len - offset > QUEUE_LINE)
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

	return jsonx_set(task, "updatedAt", clock_format(clock_now(), now)) < 0
		   ? err_memory(e)
		   : queue_change_again(q, task, put, e);
}

static int
note_end(struct queue *q, uint64_t number, struct err *e)
{
	if (q->ended_count == q->ended_room) {
		size_t room = q->ended_room * 2 + 64;
		uint64_t *more = realloc(q->ended, room * sizeof *more);
		if (more == NULL)
			return err_memory(e);
		q->ended = more;
		q->ended_room = room;
	}
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
fill_cell(struct queue_cell *c, const json_t *task, bool put)
{
	bool waits = jsonx_number(task, "waitsFor", 0) > 0;

	c->state = (uint8_t)queue_state_named(jsonx_text(task, "state", ""));
	c->when = queue_time(task);
	c->attempt = (uint32_t)jsonx_number(task, "attempt", 0);
	c->priority = (uint8_t)((uint64_t)jsonx_number(task, "priority", 0) % QUEUE_PRIORITIES);
	c->flags = (uint8_t)((c->flags & ~QUEUE_DEPENDS) | (waits ? QUEUE_DEPENDS : 0));
	if (!put)
		return;
	c->labels = all_bits(json_object_get(task, "labels"));
	c->needs = all_bits(json_object_get(task, "requires"));
	c->key = (uint32_t)queue_hash(jsonx_text(task, "key", NULL));
	c->tenant = (uint32_t)queue_hash(jsonx_text(task, "tenant", NULL));
	c->lane = (uint32_t)queue_hash(jsonx_text(task, "lane", NULL));
	c->session = (uint32_t)queue_hash(jsonx_text(task, "session", NULL));
	if (json_object_get(task, "requires") != NULL)
		c->flags |= QUEUE_REQUIRES;
}

/* Index the line ${task} at ${at}, the first of it with ${put}; doing it ${again} changes nothing.
 */
static int
index_line(struct queue *q, const json_t *task, uint64_t at, bool put, bool again, struct err *e)
{
	uint64_t number = (uint64_t)jsonx_number(task, "number", 0);
	struct queue_head *h = &q->index.head;

	if (put && again && queue_note_put(q, task, e) < 0)
		return -1;
	struct queue_cell *c = queue_index_cell(&q->index, number, e);
	if (c == NULL)
		return -1;
	bool had_ended = queue_state_ended((enum queue_state)c->state);
	/* Its first line may have been damaged: the task is known, if not what it was to do. */
	if (put || c->put == 0)
		c->put = at;
	c->last = at;
	fill_cell(c, task, put);
	bool ended = queue_state_ended((enum queue_state)c->state);
	if (c->state == QUEUE_PENDING || ended)
		q->ring = true; /* an end may make room in a lane */
	bool asked = (c->flags & QUEUE_DEPENDANTS) != 0;
	queue_index_mark(&q->index, number);
	if (number > h->count)
		h->count = number;
	if (!ended && (number - 1) / QUEUE_CELLS < h->first)
		h->first = (number - 1) / QUEUE_CELLS;
	if (ended && !had_ended && !again)
		count_end(h);
	return ended && asked && (!had_ended || again) ? note_end(q, number, e) : 0;
}

/* Tell of change ${i}, which is in the journal but not in the index yet.  Tasks that were put one
 * after the other, and are in the same state, are told of in one line: returns what is next. */
static size_t
tell(struct queue *q, size_t i)
{
	const json_t *task = q->change[i].task, *last = NULL;
	const char *state = jsonx_text(task, "state", ""), *was = NULL;
	size_t end = i + 1;

	uint64_t number = (uint64_t)jsonx_number(task, "number", 0);
	const struct queue_cell *c = queue_index_cell(&q->index, number, NULL);
	if (c != NULL && c->put != 0) /* one may be written again as it is */
		was = queue_state_name((enum queue_state)c->state);
	for (; q->change[i].put && end < q->changes && q->change[end].put; end++) {
		const json_t *next = q->change[end].task;
		if (strcmp(jsonx_text(next, "state", ""), state) != 0)
			break;
		last = next;
	}
	if (was == NULL || strcmp(was, state) != 0)
		lifecycle_task(task, was, jsonx_text(last, "id", NULL));
	return end;
}

/* Append the lines so far and index them. */
static int
write_lines(struct queue *q, size_t keep, struct err *e)
{
	uint64_t at[QUEUE_BATCH], begin;
	struct queue_head *h = &q->index.head;

	/* New tasks leave room for more changes here than they do in the journal. */
	if (keep == QUEUE_KEEP_NEW &&
	    queue_index_reserve(&q->index, h->count + q->changes, h->version + q->changes, e) < 0)
		return -1;
	if (queue_journal_append(&q->journal, q->lines.data, q->lines.len, keep, &begin, &h->end,
				 e) < 0)
		return -1;
	for (size_t i = 0, told = 0; i < q->changes; i++) {
		if (i == told)
			told = tell(q, i);
		at[i] = begin + q->change[i].offset;
		if (index_line(q, q->change[i].task, at[i], q->change[i].put, false, e) < 0)
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

	drop_changes(q); /* never to be written twice */
	return status;
}

int
queue_end(struct queue *q, bool durable, struct err *e)
{
	bool rings;

	if (queue_write(q, 0, e) < 0 || queue_settle(q, e) < 0) {
		queue_abort(q);
		return -1;
	}
	rings = q->ring;
	q->ring = false;
	/* It has happened as soon as it is in the journal: the next one indexes what we could not.
	 */
	(void)queue_index_commit(&q->index, e);
	if (rings)
		ring(q);
	return durable ? queue_sync(q, e) : 0;
}

/* True if ${task} is a line that follows on version ${before}, and ${damaged} bytes of others. */
static bool
is_next(const json_t *task, uint64_t before, uint64_t damaged)
{
	int64_t version = jsonx_number(task, "version", 0);
	int64_t number = jsonx_number(task, "number", 0);

	return number > 0 && number <= version && (uint64_t)version > before &&
	       (before == 0 || (uint64_t)version <= before + 1 + damaged) &&
	       queue_state_named(jsonx_text(task, "state", "")) != QUEUE_NONE;
}

/* The number that a damaged line still tells is not given to another task. */
static int
keep_number(struct queue *q, const struct buf *line, struct err *e)
{
	static const char member[] = "\"number\":";

	const char *p =
	    line->len == 0 ? NULL : memmem(line->data, line->len, member, sizeof member - 1);
	uint64_t number = p == NULL ? 0 : strtoull(p + sizeof member - 1, NULL, 10);
	if (number <= q->index.head.count || number > q->index.head.version)
		return 0;
	if (queue_index_cell(&q->index, number, e) == NULL)
		return -1;
	queue_index_mark(&q->index, number);
	q->index.head.count = number;
	return 0;
}

/* Index ${line}, which is at the end of what is indexed.  One that is no task any more is passed
 * over, and its version stays free. */
static int
index_next(struct queue *q, const struct buf *line, uint64_t size, uint64_t *damaged, struct err *e)
{
	struct queue_head *h = &q->index.head;
	const uint64_t nowhere = 0;
	json_t *task = jsonx_parse(line->data, line->len, NULL);
	int status = 0;

	if (is_next(task, h->version, *damaged)) {
		if (h->version == 0) /* those before were removed by hand */
			h->gone = (uint64_t)jsonx_number(task, "version", 0) - 1;
		h->version = (uint64_t)jsonx_number(task, "version", 0);
		*damaged = 0;
		if (index_line(q, task, h->end, json_object_get(task, "payload") != NULL, true, e) <
			0 ||
		    queue_index_versions(&q->index, h->version, &h->end, 1, e) < 0)
			status = -1;
	} else {
		*damaged += size;
		status = queue_index_versions(&q->index, ++h->version, &nowhere, 1, e);
		if (status == 0)
			status = keep_number(q, line, e);
	}
	json_decref(task);
	return status;
}

/* Read the line at the end of what is indexed, or the first one of the next segment. */
static int
read_next(struct queue *q, struct buf *line, uint64_t *next, struct err *e)
{
	struct queue_head *h = &q->index.head;

	int found = queue_journal_read(&q->journal, h->end, line, next, e);
	if (found != 0 || h->end % QUEUE_SEGMENT == 0)
		return found;
	uint64_t segment = (h->end / QUEUE_SEGMENT + 1) * QUEUE_SEGMENT;
	found = queue_journal_read(&q->journal, segment, line, next, e);
	if (found == 1)
		h->end = segment;
	return found;
}

/* Index what is behind the head: nothing, unless a writer was killed.  Returns 1 if the journal is
 * shorter than the head says. */
static int
catch_up(struct queue *q, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	struct queue_head *h = &q->index.head;
	uint64_t next, damaged = 0, before = h->end;
	int found;

	while ((found = read_next(q, &line, &next, e)) == 1) {
		if (index_next(q, &line, next - h->end, &damaged, e) < 0)
			break;
		h->end = next;
	}
	buf_free(&line);
	if (found != 0)
		return -1;
	int status = queue_journal_cut(&q->journal, h->end, e);
	if (status != 0)
		return status;
	if (queue_settle(q, e) < 0)
		return -1;
	return h->end != before ? queue_index_save(&q->index, e) : 0;
}

int
queue_rebuild(struct queue *q, struct err *e)
{
	struct queue_floor f;
	uint64_t oldest = 0;

	if (queue_floor_read(q, &f, e) < 0 || queue_journal_oldest(&q->journal, &oldest, e) < 0 ||
	    queue_index_reset(&q->index, f.count, f.version, e) < 0)
		return -1;
	struct queue_head *h = &q->index.head;
	h->end = (oldest > f.segment ? oldest : f.segment) * QUEUE_SEGMENT;
	h->looked = h->end;
	h->looked_version = h->gone = f.version;
	return catch_up(q, e) < 0 || queue_restore_claims(q, e) < 0 ? -1 : 0;
}

int
queue_begin(struct queue *q, struct err *e)
{
	bool sound;

	if (queue_index_lock(&q->index, &sound, e) < 0)
		return -1;
	int status = sound ? catch_up(q, e) : 1;
	if (status == 1)
		status = queue_rebuild(q, e);
	if (status == 0)
		return 0;
	queue_abort(q);
	return -1;
}
