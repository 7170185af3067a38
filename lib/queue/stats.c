/* queue/stats - how many tasks are in which state, in all and by lane. */
#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"
#include "queue/private.h"

struct lane_count {
	uint32_t lane, tenant; /* a lane belongs to a tenant */
	uint64_t example;      /* a task of it, for its name */
	uint64_t states[QUEUE_SHOWN];
};

struct numbers {
	struct queue *queue;
	uint32_t tenant; /* hash; 0: all */
	uint64_t states[QUEUE_SHOWN];
	uint64_t oldest; /* the first that waits or is pending */
	struct lane_count *lanes;
	size_t count, cap;
	struct err *e;
};

static struct lane_count *
find_lane(struct numbers *n, struct lane_count new)
{
	for (size_t i = n->count; i > 0; i--) /* the newest first: lanes come in runs */
		if (n->lanes[i - 1].lane == new.lane && n->lanes[i - 1].tenant == new.tenant)
			return &n->lanes[i - 1];
	struct lane_count *more = array_grow(n->lanes, n->count + 1, &n->cap, sizeof *more, n->e);
	if (more == NULL)
		return NULL;
	n->lanes = more;
	n->lanes[n->count] = new;
	return &n->lanes[n->count++];
}

/* As task ${number} is shown, which is stored in ${state}. */
static uint8_t
shown_state(const struct queue *q, uint64_t number, uint8_t state)
{
	return queue_state_held((enum queue_state)state) &&
		       queue_running_state(q, number) != QUEUE_HOLDS
		   ? QUEUE_LAPSED
		   : state;
}

static int
count_states(void *arg, uint64_t number, const struct queue_block *b)
{
	struct numbers *s = arg;
	unsigned left = queue_block_unfinished(b);

	for (int state = QUEUE_NONE + 1; s->tenant == 0 && state < QUEUE_STATES; state++)
		s->states[state] += b->states[state];
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
		uint8_t state = shown_state(s->queue, n, c->state);
		if (s->tenant != 0) {
			s->states[state]++;
		} else if (state != c->state && s->states[c->state] > 0) {
			s->states[c->state]--;
			s->states[state]++;
		}
		if (s->oldest == 0 && (c->state == QUEUE_PENDING || c->state == QUEUE_WAITING))
			s->oldest = n;
		if (c->lane == 0)
			continue;
		struct lane_count first = {.lane = c->lane, .tenant = c->tenant, .example = n};
		struct lane_count *lane = find_lane(s, first);
		if (lane == NULL)
			return -1;
		lane->states[state]++;
	}
	return 0;
}

/* The counts of the states before ${end}, and of what is shown as lapsed, as an object. */
static json_t *
make_counts(const uint64_t states[QUEUE_SHOWN], int end)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, queue_state_name(QUEUE_LAPSED),
				  json_integer((json_int_t)states[QUEUE_LAPSED]));
	for (int i = QUEUE_NONE + 1; i < end; i++)
		(void)json_object_set_new(o, queue_state_name((enum queue_state)i),
					  json_integer((json_int_t)states[i]));
	return o;
}

/* A text of task ${number}, or null if there is none. */
static json_t *
read_text(struct queue *q, uint64_t number, const char *(*member)(const json_t *task))
{
	struct queue_cell cell;
	json_t *task = NULL;

	if (number != 0 && queue_find(q, number, &cell, NULL) == 0)
		task = queue_read(q, &cell, false, NULL);
	const char *text = task == NULL ? NULL : member(task);
	json_t *value = text == NULL ? json_null() : json_string(text);
	json_decref(task);
	return value;
}

static json_t *
make_lanes(struct queue *q, const struct numbers *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->count; i++) {
		uint64_t n = s->lanes[i].example;
		json_t *o = json_pack("{so so}", "lane", read_text(q, n, task_lane), "states",
				      make_counts(s->lanes[i].states, QUEUE_COMPLETED));
		if (s->lanes[i].tenant != 0)
			(void)json_object_set_new(o, "tenant", read_text(q, n, task_tenant));
		(void)json_array_append_new(all, o);
	}
	return all;
}

/* How many tasks ended in the last minute and hour. */
static void
count_ended(const struct queue_head *h, json_int_t *last, json_int_t *hour)
{
	int64_t minute = clock_now() / 60000;

	*last = *hour = 0;
	for (int64_t m = h->minute; m > minute - QUEUE_MINUTES && m > h->minute - QUEUE_MINUTES;
	     m--) {
		*hour += h->ended[m % QUEUE_MINUTES];
		if (m >= minute - 1)
			*last += h->ended[m % QUEUE_MINUTES];
	}
}

json_t *
queue_stats(struct queue *q, const char *tenant, struct err *e)
{
	struct numbers s = {.queue = q, .tenant = (uint32_t)queue_hash(tenant), .e = e};
	const struct queue_head *h = &q->index.head;
	json_int_t hour, last;
	json_t *o = NULL;

	if (queue_refresh(q, e) < 0)
		return NULL;
	q->index.head.first = q->index.head.kept; /* of our copy */
	if (queue_index_blocks(&q->index, count_states, &s, e) < 0)
		goto out;
	count_ended(h, &last, &hour);
	o = json_pack("{ss sI so so so}", "queue", q->name, "version", (json_int_t)h->version,
		      "states",
		      make_counts(s.states, tenant == NULL ? QUEUE_STATES : QUEUE_COMPLETED),
		      "oldest", read_text(q, s.oldest, task_created), "lanes", make_lanes(q, &s));
	if (o == NULL ||
	    (tenant == NULL && (json_object_set_new(o, "lastMinute", json_integer(last)) < 0 ||
				json_object_set_new(o, "lastHour", json_integer(hour)) < 0)))
		err_memory(e);
out:
	free(s.lanes);
	return o;
}
