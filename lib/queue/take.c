/* queue_take - which task is next, and what becomes due by itself. */
#include "queue/claim.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "queue/private.h"

/* What the summaries of all blocks say together. */
struct survey {
	struct queue *queue;
	uint64_t held, pending;
	int64_t soonest;
	bool leading;    /* all blocks so far have ended */
	uint32_t *lanes; /* of tasks that are held, once for each */
	size_t lane_count, lane_room;
	struct err *e;
};

static int
note_lane(struct survey *s, uint32_t lane)
{
	if (s->lane_count == s->lane_room) {
		size_t room = s->lane_room * 2 + 64;
		uint32_t *more = realloc(s->lanes, room * sizeof *more);
		if (more == NULL)
			return err_memory(s->e);
		s->lanes = more;
		s->lane_room = room;
	}
	s->lanes[s->lane_count++] = lane;
	return 0;
}

static bool
unfinished(const struct queue_block *b)
{
	for (int state = QUEUE_NONE + 1; state < QUEUE_COMPLETED; state++)
		if (b->states[state] > 0)
			return true;
	return false;
}

static int
look(void *arg, uint64_t number, const struct queue_block *b)
{
	struct survey *s = arg;
	struct queue_head *h = &s->queue->index.head;
	unsigned held = b->states[QUEUE_RUNNING] + b->states[QUEUE_WAITING_ANSWER];

	s->leading = s->leading && !unfinished(b) && (number + 1) * QUEUE_CELLS <= h->count;
	if (s->leading)
		h->first = number + 1;
	s->pending += b->states[QUEUE_PENDING];
	s->held += held;
	if (b->soonest != 0 && (s->soonest == 0 || b->soonest < s->soonest))
		s->soonest = b->soonest;
	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (; held > 0 && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&s->queue->index, n, s->e);
		if (c == NULL)
			return -1;
		if (!queue_state_held((enum queue_state)c->state))
			continue;
		held--;
		if (c->lane != 0 && note_lane(s, c->lane) < 0)
			return -1;
	}
	return 0;
}

static int
survey(struct queue *q, struct survey *s, struct err *e)
{
	*s = (struct survey){.queue = q, .leading = true, .e = e};
	return queue_index_blocks(&q->index, look, s, e);
}

/* Make pending what is due in block ${number}. */
static int
release_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct survey *s = arg;
	struct queue *q = s->queue;
	int64_t now = clock_now();
	int status = 0;

	if (b->soonest == 0 || b->soonest > now)
		return 0;
	for (uint64_t n = number * QUEUE_CELLS + 1; status == 0 && n <= (number + 1) * QUEUE_CELLS;
	     n++) {
		const struct queue_cell *c = queue_index_cell(&q->index, n, s->e);
		if (c == NULL)
			return -1;
		if (c->put == 0 || c->when > now || (c->flags & QUEUE_DEPENDS) != 0 ||
		    (c->state != QUEUE_WAITING && c->state != QUEUE_RATE_LIMITED))
			continue;
		struct queue_cell cell = *c;
		json_t *task = queue_read(q, &cell, false, s->e);
		status = task == NULL || queue_step(task, QUEUE_DUE, s->e) < 0
			     ? -1
			     : queue_change(q, task, false, s->e);
		json_decref(task);
	}
	return status < 0 ? -1 : queue_write(q, 0, s->e);
}

/* Return what lapsed, make pending what is due, and see how things are then. */
static int
tend(struct queue *q, struct survey *s, struct err *e)
{
	if (queue_tend_claims(q, e) < 0 || survey(q, s, e) < 0)
		return -1;
	if (s->soonest == 0 || s->soonest > clock_now())
		return 0;
	if (queue_index_blocks(&q->index, release_block, s, e) < 0)
		return -1;
	free(s->lanes);
	return survey(q, s, e);
}

int
queue_tend(struct queue *q, struct err *e)
{
	struct survey s = {.lanes = NULL};

	if (queue_begin(q, e) < 0)
		return -1;
	int status = tend(q, &s, e);
	free(s.lanes);
	if (status == 0)
		return queue_end(q, false, e);
	queue_abort(q);
	return -1;
}

/* True if a task of ${lane} may not run now. */
static bool
lane_is_full(const struct survey *s, const struct queue_config *config, uint32_t lane)
{
	int64_t width = config->lane, running = 0;
	json_t *value;
	const char *name;

	for (size_t i = 0; i < s->lane_count; i++)
		running += s->lanes[i] == lane;
	json_object_foreach (config->lanes, name, value)
		if ((uint32_t)queue_hash(name) == lane)
			width = json_integer_value(value);
	return width > 0 && running >= width;
}

/* True if the task is for ${w}, and that can do all that it requires. */
static bool
is_fit(struct queue *q, const struct queue_cell *cell, const struct queue_worker *w, uint64_t can)
{
	const json_t *needed;
	size_t i;

	/* The cell tells of most; hashes may be the same by chance. */
	if ((cell->needs & ~can) != 0 ||
	    (w->tenant != NULL && cell->tenant != (uint32_t)queue_hash(w->tenant)))
		return false;
	if (w->tenant == NULL && (cell->flags & QUEUE_REQUIRES) == 0)
		return true;
	json_t *task = queue_read(q, cell, false, NULL);
	bool fits = task != NULL &&
		    (w->tenant == NULL || strcmp(jsonx_text(task, "tenant", ""), w->tenant) == 0);
	json_array_foreach (json_object_get(task, "requires"), i, needed) {
		const char *const *has = w->capabilities;
		while (has != NULL && *has != NULL && strcmp(*has, json_string_value(needed)) != 0)
			has++;
		fits = fits && has != NULL && *has != NULL;
	}
	json_decref(task);
	return fits;
}

struct choice {
	struct survey *survey;
	const struct queue_worker *worker;
	uint64_t can; /* bits of what it is capable of */
	unsigned priority;
	uint64_t number;
};

/* The first task of ${priority} in block ${number} that may run: 1, 0 if there is none. */
static int
choose(void *arg, uint64_t number, const struct queue_block *b)
{
	struct choice *x = arg;
	struct queue *q = x->survey->queue;
	unsigned left = b->pending[x->priority];

	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (; left > 0 && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&q->index, n, x->survey->e);
		if (c == NULL)
			return -1;
		if (c->state != QUEUE_PENDING || c->priority != x->priority)
			continue;
		left--;
		if (c->lane != 0 && lane_is_full(x->survey, &q->config, c->lane))
			continue;
		struct queue_cell cell = *c;
		if (!is_fit(q, &cell, x->worker, x->can))
			continue;
		x->number = n;
		return 1;
	}
	return 0;
}

/* Claim the next task, the lock is held: 1, 0 if there is none. */
static int
take(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
     struct err *e)
{
	struct survey s = {.lanes = NULL};
	int status = -1;

	if (tend(q, &s, e) < 0)
		goto out;
	if (next != NULL)
		*next = s.soonest;
	struct choice x = {.survey = &s, .worker = w};
	for (const char *const *can = w->capabilities; can != NULL && *can != NULL; can++)
		x.can |= queue_bits(*can);
	status = 0;
	if (s.pending == 0 || (q->config.width > 0 && s.held >= (uint64_t)q->config.width))
		goto out;
	for (unsigned p = QUEUE_PRIORITIES; status == 0 && p > 0;) {
		x.priority = p - 1;
		status = queue_index_blocks(&q->index, choose, &x, e);
		if (status == 1)
			status = queue_claim_make(q, x.number, w, c, e);
		else
			p--;
	}
	size_t claims = s.held < QUEUE_CLAIMS_MAX ? (size_t)s.held + 1 : QUEUE_CLAIMS_MAX;
	if (status == 1 && queue_write(q, claims * QUEUE_KEEP_CLAIM, e) < 0)
		status = -1;
out:
	free(s.lanes);
	return status;
}

static int
take_locked(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	    struct err *e)
{
	if (next != NULL)
		*next = 0;
	if (queue_begin(q, e) < 0)
		return -1;
	int status = take(q, w, c, next, e);
	if (status < 0)
		queue_abort(q);
	else if (queue_end(q, false, e) < 0)
		status = -1;
	if (*c != NULL)
		(*c)->end = q->index.head.end;
	if (status < 0) {
		queue_claim_free(*c);
		*c = NULL;
	}
	return status;
}

int
queue_take(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	   struct err *e)
{
	*c = NULL;
	if (queue_check_lease(w->lease, e) < 0)
		return -1;
	int status = take_locked(q, w, c, next, e);
	/* An index that led astray is made anew, once. */
	return status < 0 && q->index.distrusted ? take_locked(q, w, c, next, e) : status;
}

/* What ${event} means for one that waits for nothing. */
static int
apply_control(struct queue *q, json_t *task, enum queue_event event, const char *reason,
	      struct err *e)
{
	enum queue_state state = queue_state_named(jsonx_text(task, "state", ""));

	/* What a worker still has is its to try again. */
	if (event == QUEUE_RETRY && queue_state_held(state))
		return err_set(e, ERR_BAD_STATE, "the task is %s: no retry",
			       queue_state_name(state));
	if (queue_step(task, event, e) < 0)
		return -1;
	if (event == QUEUE_RETRY) { /* from the beginning */
		(void)json_object_del(task, "failures");
		(void)json_object_del(task, "deaths");
		(void)json_object_del(task, "error");
		if (queue_set_time(task, 0, e) < 0)
			return -1;
	}
	if (event == QUEUE_CANCEL &&
	    (queue_set_error(task, "CANCELLED", reason == NULL ? "cancelled" : reason, e) < 0 ||
	     queue_attempt_end(task, "cancelled", reason, e) < 0))
		return -1;
	if (event == QUEUE_CANCEL)
		queue_drop_secrets(q, task);
	queue_release(task);
	return queue_change(q, task, false, e);
}

int
queue_control(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
	      struct err *e)
{
	struct queue_cell cell;
	json_t *task = NULL;

	if (queue_begin(q, e) < 0)
		return -1;
	if (queue_find(q, number, &cell, e) < 0 ||
	    (task = queue_read(q, &cell, false, e)) == NULL ||
	    apply_control(q, task, event, reason, e) < 0 || queue_write(q, 0, e) < 0) {
		json_decref(task);
		queue_abort(q);
		return -1;
	}
	json_decref(task);
	if (event == QUEUE_CANCEL)
		queue_forget_claim(q, number);
	return queue_end(q, true, e);
}
