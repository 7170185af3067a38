/* queue_list - to look at a queue: single tasks, lists, changes, numbers. */
#include "queue/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonx.h"

#define STILL_TO_DO (((uint32_t)1 << QUEUE_COMPLETED) - 2) /* the states before the ends */

/* Its lines may be written again elsewhere, and removed, while we look for them. */
static json_t *
read_now(struct queue *q, uint64_t number, bool payload, struct err *e)
{
	struct queue_cell cell;
	json_t *task = NULL;

	for (int tries = 0; tries < 3 && task == NULL; tries++) {
		if (queue_look(q, e) < 0 || queue_find(q, number, &cell, e) < 0)
			return NULL;
		task = queue_read(q, &cell, payload, e);
	}
	return task;
}

json_t *
queue_show(struct queue *q, uint64_t number, struct err *e)
{
	return read_now(q, number, true, e);
}

int
queue_version(struct queue *q, uint64_t *version, struct err *e)
{
	if (queue_look(q, e) < 0)
		return -1;
	*version = q->index.head.version;
	return 0;
}

struct listing {
	struct queue *queue;
	const struct queue_filter *filter;
	uint32_t states;
	uint64_t labels;
	int (*each)(void *arg, const json_t *task);
	void *arg;
	struct err *e;
};

static bool
has_labels(const json_t *task, const char *const *wanted)
{
	const json_t *labels = json_object_get(task, "labels"), *label;
	size_t i;

	for (; wanted != NULL && *wanted != NULL; wanted++) {
		bool found = false;
		json_array_foreach (labels, i, label)
			found |= strcmp(json_string_value(label), *wanted) == 0;
		if (!found)
			return false;
	}
	return true;
}

static bool
is_wanted(const json_t *task, const struct queue_filter *f)
{
	const struct {
		const char *name, *value;
	} same[] = {
	    {"lane", f->lane}, {"key", f->key}, {"session", f->session}, {"tenant", f->tenant}};

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		if (same[i].value != NULL &&
		    strcmp(jsonx_text(task, same[i].name, ""), same[i].value) != 0)
			return false;
	return has_labels(task, f->labels);
}

/* The cell tells of most tasks that they are not wanted; hashes may be the same by chance. */
static bool
may_be_wanted(const struct listing *l, const struct queue_cell *c)
{
	const struct queue_filter *f = l->filter;

	return c->put != 0 && (l->states >> c->state & 1) != 0 &&
	       (c->labels & l->labels) == l->labels &&
	       (f->lane == NULL || c->lane == (uint32_t)queue_hash(f->lane)) &&
	       (f->key == NULL || c->key == (uint32_t)queue_hash(f->key)) &&
	       (f->session == NULL || c->session == (uint32_t)queue_hash(f->session)) &&
	       (f->tenant == NULL || c->tenant == (uint32_t)queue_hash(f->tenant));
}

/* True if the reader who asks has read tasks ${from} to ${to}, and wants others. */
static bool
is_read(const struct queue_filter *f, uint64_t from, uint64_t to, uint64_t newest)
{
	return f->marks != 0 && (f->marks >> QUEUE_READ & 1) == 0 &&
	       !queue_reader_may_want(f->reader, from, to, newest);
}

/* Note in ${task} what it is to the reader who asks; true if that one wants it. */
static bool
is_marked(json_t *task, const struct queue_filter *f)
{
	if (f->reader == NULL)
		return true;
	enum queue_mark mark = queue_reader_mark(f->reader, task);
	(void)jsonx_set(task, "mark", queue_mark_name(mark));
	return f->marks == 0 || (f->marks >> mark & 1) != 0;
}

static int
list_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct listing *l = arg;
	const struct queue_filter *f = l->filter;
	unsigned wanted = 0;
	int status = 0;

	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (int state = QUEUE_NONE + 1; state < QUEUE_STATES; state++)
		if ((l->states >> state & 1) != 0)
			wanted += b->states[state];
	if (is_read(f, n, end - 1, b->newest))
		wanted = 0;
	for (; wanted > 0 && status == 0 && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&l->queue->index, n, l->e);
		if (c == NULL)
			return -1;
		if (n <= f->after || !may_be_wanted(l, c) || is_read(f, n, n, c->last))
			continue;
		struct queue_cell cell = *c;
		json_t *task = queue_read(l->queue, &cell, f->payload, NULL);
		if (task == NULL)
			task = read_now(l->queue, n, f->payload, NULL);
		if (task != NULL && is_wanted(task, f) && is_marked(task, f))
			status = l->each(l->arg, task);
		json_decref(task);
	}
	return status;
}

int
queue_list(struct queue *q, const struct queue_filter *f,
	   int (*each)(void *arg, const json_t *task), void *arg, struct err *e)
{
	struct listing l = {.queue = q, .filter = f, .each = each, .arg = arg, .e = e};

	l.states = f->states == 0 ? STILL_TO_DO : f->states;
	for (const char *const *label = f->labels; label != NULL && *label != NULL; label++)
		l.labels |= queue_bits(*label);
	if (queue_look(q, e) < 0)
		return -1;
	uint64_t from = f->after / QUEUE_CELLS;
	if (from < q->index.head.kept)
		from = q->index.head.kept;
	if ((l.states & ~STILL_TO_DO) != 0 || from > q->index.head.first)
		q->index.head.first = from; /* of our copy */
	return queue_index_blocks(&q->index, list_block, &l, e);
}

static int
expired(uint64_t version, struct err *e)
{
	err_set(e, ERR_EXPIRED, "the changes after version %llu are not kept",
		(unsigned long long)version);
	return err_hint(e, "list the tasks, and go on from the version of that");
}

int
queue_changes(struct queue *q, uint64_t since, int (*each)(void *arg, const json_t *task),
	      void *arg, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	int status = 0;

	if (queue_look(q, e) < 0)
		return -1;
	uint64_t last = q->index.head.version, gone = q->index.head.gone;
	if (since > 0 && since < gone)
		return expired(since, e);
	for (uint64_t version = (since < gone ? gone : since) + 1; status == 0 && version <= last;
	     version++) {
		uint64_t at = queue_index_version(&q->index, version);
		int found = at == 0 ? 0 : queue_journal_read(&q->journal, at, &line, NULL, e);
		if (found < 0)
			status = -1;
		if (found == 0 && queue_look(q, e) == 0 && version <= q->index.head.gone)
			status = expired(version, e);
		if (found != 1)
			continue; /* its line was damaged */
		json_t *task = jsonx_parse(line.data, line.len, NULL);
		if (task != NULL)
			status = each(arg, task);
		json_decref(task);
	}
	buf_free(&line);
	return status;
}

/* Counts by state, and those of the lanes. */
struct lane_count {
	uint32_t lane;
	uint64_t example; /* a task of it, for its name */
	uint64_t states[QUEUE_STATES];
};

struct numbers {
	struct queue *queue;
	uint32_t tenant; /* hash; 0: all */
	uint64_t states[QUEUE_STATES];
	uint64_t oldest; /* the first that waits or is pending */
	struct lane_count *lanes;
	size_t count, room;
	struct err *e;
};

static struct lane_count *
lane_of(struct numbers *n, uint32_t lane, uint64_t number)
{
	for (size_t i = n->count; i > 0; i--) /* the newest first: lanes come in runs */
		if (n->lanes[i - 1].lane == lane)
			return &n->lanes[i - 1];
	if (n->count == n->room) {
		size_t room = n->room * 2 + 64;
		struct lane_count *more = realloc(n->lanes, room * sizeof *more);
		if (more == NULL)
			return NULL;
		n->lanes = more;
		n->room = room;
	}
	n->lanes[n->count] = (struct lane_count){.lane = lane, .example = number};
	return &n->lanes[n->count++];
}

static int
count_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct numbers *s = arg;
	unsigned left = 0;

	for (int state = QUEUE_NONE + 1; s->tenant == 0 && state < QUEUE_STATES; state++)
		s->states[state] += b->states[state];
	for (int state = QUEUE_NONE + 1; state < QUEUE_COMPLETED; state++)
		left += b->states[state];
	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (; left > 0 && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&s->queue->index, n, s->e);
		if (c == NULL)
			return -1;
		if (c->put == 0 || queue_state_ended((enum queue_state)c->state))
			continue;
		left--;
		if (s->tenant != 0 && c->tenant != s->tenant)
			continue;
		s->states[c->state] += s->tenant != 0;
		if (s->oldest == 0 && (c->state == QUEUE_PENDING || c->state == QUEUE_WAITING))
			s->oldest = n;
		if (c->lane == 0)
			continue;
		uint8_t state = c->state;
		struct lane_count *lane = lane_of(s, c->lane, n);
		if (lane == NULL)
			return err_memory(s->e);
		lane->states[state]++;
	}
	return 0;
}

static json_t *
counts(const uint64_t states[QUEUE_STATES], int end)
{
	json_t *o = json_object();

	for (int i = QUEUE_NONE + 1; i < end; i++)
		(void)json_object_set_new(o, queue_state_name((enum queue_state)i),
					  json_integer((json_int_t)states[i]));
	return o;
}

/* What task ${number} says of ${member}. */
static json_t *
ask(struct queue *q, uint64_t number, const char *member)
{
	struct queue_cell cell;
	json_t *task = NULL, *value = NULL;

	if (number != 0 && queue_find(q, number, &cell, NULL) == 0)
		task = queue_read(q, &cell, false, NULL);
	if (task != NULL)
		value = json_incref(json_object_get(task, member));
	json_decref(task);
	return value == NULL ? json_null() : value;
}

static json_t *
lanes(struct queue *q, const struct numbers *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->count; i++)
		(void)json_array_append_new(
		    all, json_pack("{so so}", "lane", ask(q, s->lanes[i].example, "lane"), "states",
				   counts(s->lanes[i].states, QUEUE_COMPLETED)));
	return all;
}

json_t *
queue_stats(struct queue *q, const char *tenant, struct err *e)
{
	struct numbers s = {.queue = q, .tenant = (uint32_t)queue_hash(tenant), .e = e};
	const struct queue_head *h = &q->index.head;
	json_int_t hour = 0, last = 0;
	json_t *o = NULL;

	if (queue_look(q, e) < 0)
		return NULL;
	q->index.head.first = q->index.head.kept; /* of our copy */
	if (queue_index_blocks(&q->index, count_block, &s, e) < 0)
		goto out;
	int64_t minute = clock_now() / 60000;
	for (int64_t m = h->minute; m > minute - QUEUE_MINUTES && m > h->minute - QUEUE_MINUTES;
	     m--) {
		hour += h->ended[m % QUEUE_MINUTES];
		if (m >= minute - 1)
			last += h->ended[m % QUEUE_MINUTES];
	}
	o = json_pack("{ss sI so so so}", "queue", q->name, "version", (json_int_t)h->version,
		      "states", counts(s.states, tenant == NULL ? QUEUE_STATES : QUEUE_COMPLETED),
		      "oldest", ask(q, s.oldest, "createdAt"), "lanes", lanes(q, &s));
	if (o == NULL ||
	    (tenant == NULL && (json_object_set_new(o, "lastMinute", json_integer(last)) < 0 ||
				json_object_set_new(o, "lastHour", json_integer(hour)) < 0)))
		err_memory(e);
out:
	free(s.lanes);
	return o;
}
