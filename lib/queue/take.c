#include "queue/private.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"

/* A lane belongs to a tenant: that of another, by the same name, is another lane. */
struct lane {
	uint32_t name, tenant; /* as a cell has them */
};

/* What the summaries of all blocks say together. */
struct survey {
	struct queue *queue;
	uint64_t held, pending;
	int64_t soonest;
	bool leading;       /* all blocks so far have ended */
	struct lane *lanes; /* of tasks that are held, once for each */
	size_t lane_count, lane_cap;
	struct err *e;
};

static int
note_lane(struct survey *s, const struct queue_cell *c)
{
	struct lane *more =
	    array_grow(s->lanes, s->lane_count + 1, &s->lane_cap, sizeof *more, s->e);

	if (more == NULL)
		return -1;
	s->lanes = more;
	s->lanes[s->lane_count++] = (struct lane){c->lane, c->tenant};
	return 0;
}

static int
survey_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct survey *s = arg;
	struct queue_head *h = &s->queue->index.head;
	unsigned held = queue_block_held(b);

	s->leading =
	    s->leading && queue_block_unfinished(b) == 0 && (number + 1) * QUEUE_CELLS <= h->count;
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
		if (c->lane != 0 && note_lane(s, c) < 0)
			return -1;
	}
	return 0;
}

static int
survey_queue(struct queue *q, struct survey *s, struct err *e)
{
	*s = (struct survey){.queue = q, .leading = true, .e = e};
	return queue_index_blocks(&q->index, survey_block, s, e);
}

/* The task of ${cell} may be taken from now on. */
static int
release_task(struct queue *q, const struct queue_cell *cell, struct err *e)
{
	json_t *task = queue_read(q, cell, false, e);
	int status = -1;

	if (task == NULL)
		return -1;
	if (queue_task_step(task, QUEUE_DUE, e) == 0)
		status = queue_change(q, task, false, e);
	json_decref(task);
	return status;
}

/* Make pending what is due in block ${number}. */
static int
release_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct survey *s = arg;
	struct queue *q = s->queue;
	int64_t now = clock_now();

	if (b->soonest == 0 || b->soonest > now)
		return 0;
	for (uint64_t n = number * QUEUE_CELLS + 1; n <= (number + 1) * QUEUE_CELLS; n++) {
		const struct queue_cell *c = queue_index_cell(&q->index, n, s->e);
		if (c == NULL)
			return -1;
		if (c->put == 0 || c->when > now || (c->flags & QUEUE_DEPENDS) != 0 ||
		    (c->state != QUEUE_WAITING && c->state != QUEUE_RATE_LIMITED))
			continue;
		struct queue_cell cell = *c;
		if (release_task(q, &cell, s->e) < 0)
			return -1;
	}
	return queue_write(q, 0, s->e);
}

/* Return what lapsed, make pending what is due, and see how things are then.  s->lanes is to be
 * freed, also after a failure. */
static int
tend(struct queue *q, struct survey *s, struct err *e)
{
	if (queue_tend_claims(q, e) < 0 || survey_queue(q, s, e) < 0)
		return -1;
	if (s->soonest == 0 || s->soonest > clock_now())
		return 0;
	if (queue_index_blocks(&q->index, release_block, s, e) < 0)
		return -1;
	free(s->lanes);
	return survey_queue(q, s, e);
}

int
queue_tend(struct queue *q, struct err *e)
{
	struct survey s = {.lanes = NULL};

	if (queue_begin(q, e) < 0)
		return -1;
	int status = tend(q, &s, e);
	free(s.lanes);
	return queue_end(q, status, false, e);
}

struct due_count {
	int64_t now, due;
};

static int
count_due_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct due_count *c = arg;

	(void)number;
	c->due += b->soonest != 0 && b->soonest <= c->now;
	return 0;
}

static int
count_lapsed(void *arg, uint64_t number, enum queue_lapse why)
{
	struct due_count *c = arg;

	(void)number;
	(void)why;
	c->due++;
	return 0;
}

int64_t
queue_due(struct queue *q, struct err *e)
{
	struct due_count c = {.now = clock_now()};

	if (queue_refresh(q, e) < 0 || queue_index_blocks(&q->index, count_due_block, &c, e) < 0 ||
	    queue_running_lapsed(q, count_lapsed, &c, e) < 0)
		return -1;
	return c.due;
}

static bool
is_lane_full(const struct survey *s, const struct queue_cell *c)
{
	int64_t running = 0;

	for (size_t i = 0; i < s->lane_count; i++)
		running += s->lanes[i].name == c->lane && s->lanes[i].tenant == c->tenant;
	return queue_rule_lane_full(&s->queue->config, c->lane, running);
}

/* True if the task of ${cell} is for ${w}, which has capabilities with the bits ${can}. */
static bool
is_fit(struct queue *q, const struct queue_cell *cell, const struct queue_worker *w, uint64_t can)
{
	/* The cell rules most out; hashes may be equal by chance. */
	if ((cell->needs & ~can) != 0 ||
	    (w->tenant != NULL && cell->tenant != (uint32_t)queue_hash(w->tenant)))
		return false;
	if (w->tenant == NULL && (cell->flags & QUEUE_REQUIRES) == 0)
		return true;
	json_t *task = queue_read(q, cell, false, NULL);
	bool fits = task != NULL && queue_rule_fits(task, w);
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
choose_in_block(void *arg, uint64_t number, const struct queue_block *b)
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
		if (c->lane != 0 && is_lane_full(x->survey, c))
			continue;
		struct queue_cell cell = *c;
		if (!is_fit(q, &cell, x->worker, x->can))
			continue;
		x->number = n;
		return 1;
	}
	return 0;
}

/* Claim the next task of those that ${s} has surveyed: 1, 0 if there is none. */
static int
take_next(struct survey *s, const struct queue_worker *w, struct queue_claim **c, struct err *e)
{
	struct choice x = {.survey = s, .worker = w};
	struct queue *q = s->queue;
	int status = 0;

	if (s->pending == 0 || (q->config.width > 0 && s->held >= (uint64_t)q->config.width))
		return 0;
	for (const char *const *can = w->capabilities; can != NULL && *can != NULL; can++)
		x.can |= queue_bits(*can);
	for (unsigned p = QUEUE_PRIORITIES; !status && p > 0;) {
		x.priority = p - 1;
		status = queue_index_blocks(&q->index, choose_in_block, &x, e);
		if (status == 1) /* 0 if it had to be quarantined: choose again */
			status = queue_claim_make(q, x.number, w, c, e);
		else
			p--;
	}
	if (status != 1)
		return status;
	size_t claims = s->held < QUEUE_CLAIMS_MAX ? (size_t)s->held + 1 : QUEUE_CLAIMS_MAX;
	return queue_write(q, claims * QUEUE_KEEP_CLAIM, e) < 0 ? -1 : 1;
}

static int
take_locked(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	    struct err *e)
{
	struct survey s = {.lanes = NULL};
	int status = -1;

	if (tend(q, &s, e) == 0) {
		*next = s.soonest;
		status = take_next(&s, w, c, e);
	}
	free(s.lanes);
	return status;
}

static int
take_once(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	  struct err *e)
{
	*c = NULL;
	*next = 0;
	if (queue_begin(q, e) < 0)
		return -1;
	int status = queue_end(q, take_locked(q, w, c, next, e), false, e);
	if (status < 0) {
		queue_claim_free(*c);
		*c = NULL;
	}
	if (*c != NULL)
		(*c)->end = q->index.head.end;
	return status;
}

int
queue_take(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	   struct err *e)
{
	int64_t unused;

	*c = NULL;
	if (next == NULL)
		next = &unused;
	if (queue_check_lease(w->lease, e) < 0)
		return -1;
	queue_workers_note(q, w);
	int status = take_once(q, w, c, next, e);
	/* An index that led astray is made anew, once. */
	return status < 0 && q->index.distrusted ? take_once(q, w, c, next, e) : status;
}
