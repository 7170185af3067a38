/* queue/list - single tasks, lists of tasks, and changes. */
#include <string.h>

#include "queue/private.h"

#define BIT(state) ((uint32_t)1 << (state))
#define HELD (BIT(QUEUE_RUNNING) | BIT(QUEUE_WAITING_ANSWER))
#define STORED (BIT(QUEUE_COMPLETED) - 2) /* the states before the ends, as they are stored */
#define STILL_TO_DO (STORED | BIT(QUEUE_LAPSED))

/* Its lines may be written again elsewhere, and removed, while we look for them. */
static json_t *
read_newest(struct queue *q, uint64_t number, bool payload, struct err *e)
{
	struct queue_cell cell;
	json_t *task = NULL;

	for (int tries = 0; tries < 3 && task == NULL; tries++) {
		if (queue_refresh(q, e) < 0 || queue_find(q, number, &cell, e) < 0)
			return NULL;
		task = queue_read(q, &cell, payload, e);
	}
	if (task != NULL && queue_view(q, task, e) < 0) {
		json_decref(task);
		task = NULL;
	}
	return task;
}

json_t *
queue_show(struct queue *q, uint64_t number, struct err *e)
{
	return read_newest(q, number, true, e);
}

int
queue_version(struct queue *q, uint64_t *version, struct err *e)
{
	if (queue_refresh(q, e) < 0)
		return -1;
	*version = q->index.head.version;
	return 0;
}

int
queue_filter_state(struct queue_filter *f, const char *name)
{
	int state = QUEUE_NONE + 1;

	if (strcmp(name, "all") == 0) {
		f->states = QUEUE_ALL_STATES;
		return 0;
	}
	while (state < QUEUE_SHOWN && strcmp(queue_state_name((enum queue_state)state), name) != 0)
		state++;
	if (state == QUEUE_SHOWN)
		return -1;
	f->states |= BIT(state);
	return 0;
}

struct list {
	struct queue *queue;
	const struct queue_filter *filter;
	uint32_t states; /* as tasks are shown */
	uint32_t stored; /* in which tasks are stored that may be shown so */
	uint64_t labels;
	int (*each)(void *arg, const json_t *task);
	void *arg;
	struct err *e;
};

static bool
has_labels(const json_t *task, const char *const *wanted)
{
	for (; wanted != NULL && *wanted != NULL; wanted++)
		if (!jsonx_lists(task_labels(task), *wanted))
			return false;
	return true;
}

/* True if ${text} may be anything, or is what ${wanted} says. */
static bool
is_text(const char *text, const char *wanted)
{
	return wanted == NULL || (text != NULL && strcmp(text, wanted) == 0);
}

/* The state in which ${task} is shown. */
static enum queue_state
shown_state(const json_t *task)
{
	return strcmp(task_state(task), queue_state_name(QUEUE_LAPSED)) == 0
		   ? QUEUE_LAPSED
		   : queue_task_state(task);
}

/* Does ${f} select ${task}, shown in one of ${states}? */
static bool
is_wanted(const json_t *task, const struct queue_filter *f, uint32_t states)
{
	return (states >> shown_state(task) & 1) != 0 && (uint64_t)task_number(task) > f->after &&
	       (!f->unfit || task_unfit(task) != NULL) && is_text(task_lane(task), f->lane) &&
	       is_text(task_key(task), f->key) && is_text(task_session(task), f->session) &&
	       is_text(task_tenant(task), f->tenant) && has_labels(task, f->labels);
}

/* The cell rules most tasks out; hashes may be equal by chance. */
static bool
may_be_wanted(const struct list *l, const struct queue_cell *c)
{
	const struct queue_filter *f = l->filter;

	return c->put != 0 && (l->stored >> c->state & 1) != 0 &&
	       (c->labels & l->labels) == l->labels &&
	       (!f->unfit || (c->flags & QUEUE_REQUIRES) != 0) &&
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
	(void)task_set_mark(task, queue_mark_name(mark)); /* without memory nothing goes on */
	return f->marks == 0 || (f->marks >> mark & 1) != 0;
}

/* Pass on task ${n} of ${cell}, if it is wanted. */
static int
list_task(struct list *l, uint64_t n, const struct queue_cell *cell)
{
	bool payload = l->filter->payload;
	int status = 0;

	json_t *task = queue_read(l->queue, cell, payload, NULL);
	if (task == NULL)
		task = read_newest(l->queue, n, payload, NULL);
	else if ((status = queue_view(l->queue, task, l->e)) < 0)
		goto out;
	if (task != NULL && is_wanted(task, l->filter, l->states) && is_marked(task, l->filter))
		status = l->each(l->arg, task);
out:
	json_decref(task);
	return status;
}

static int
list_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct list *l = arg;
	const struct queue_filter *f = l->filter;
	unsigned wanted = 0;
	int status = 0;

	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (int state = QUEUE_NONE + 1; state < QUEUE_STATES; state++)
		if ((l->stored >> state & 1) != 0)
			wanted += b->states[state];
	if (wanted == 0 || is_read(f, n, end - 1, b->newest))
		return 0;
	for (; !status && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&l->queue->index, n, l->e);
		if (c == NULL)
			return -1;
		if (n <= f->after || !may_be_wanted(l, c) || is_read(f, n, n, c->last))
			continue;
		struct queue_cell cell = *c;
		status = list_task(l, n, &cell);
	}
	return status;
}

int
queue_list(struct queue *q, const struct queue_filter *f,
	   int (*each)(void *arg, const json_t *task), void *arg, struct err *e)
{
	struct list l = {.queue = q, .filter = f, .each = each, .arg = arg, .e = e};

	l.states = f->states == 0 ? STILL_TO_DO : f->states;
	l.stored = l.states | ((l.states & BIT(QUEUE_LAPSED)) != 0 ? HELD : 0);
	for (const char *const *label = f->labels; label != NULL && *label != NULL; label++)
		l.labels |= queue_bits(*label);
	if (queue_refresh(q, e) < 0)
		return -1;
	uint64_t from = f->after / QUEUE_CELLS;
	if (from < q->index.head.kept)
		from = q->index.head.kept;
	if ((l.stored & ~STILL_TO_DO) != 0 || from > q->index.head.first)
		q->index.head.first = from; /* of our copy */
	return queue_index_blocks(&q->index, list_block, &l, e);
}

static int
set_expired(uint64_t version, struct err *e)
{
	err_set(e, ERR_EXPIRED, "the changes after version %llu are not kept",
		(unsigned long long)version);
	return err_hint(e, "list the tasks, and go on from the version of that");
}

/* Pass on the change with ${version}, read into ${line}; one that is damaged is left out. */
static int
pass_change(struct queue *q, uint64_t version, struct buf *line, struct list *l)
{
	uint64_t at = queue_index_version(&q->index, version);
	int found = at == 0 ? 0 : queue_journal_read(&q->journal, at, line, NULL, l->e);

	if (found < 0)
		return -1;
	/* It may have been removed since we looked. */
	if (found == 0 && queue_refresh(q, l->e) == 0 && version <= q->index.head.gone)
		return set_expired(version, l->e);
	json_t *task = NULL;
	int status = 0;
	if (found == 1 && queue_parse(line, &task, l->e) < 0)
		return -1;
	if (task != NULL && is_wanted(task, l->filter, l->states) && is_marked(task, l->filter))
		status = l->each(l->arg, task);
	json_decref(task);
	return status;
}

int
queue_changes(struct queue *q, const struct queue_filter *f, uint64_t *since,
	      int (*each)(void *arg, const json_t *task), void *arg, struct err *e)
{
	static const struct queue_filter all = {0};
	struct list l = {.filter = f == NULL ? &all : f, .each = each, .arg = arg, .e = e};
	struct buf line = BUF_INIT(QUEUE_LINE);
	int status = 0;

	l.states = l.filter->states == 0 ? QUEUE_ALL_STATES : l.filter->states;
	if (queue_refresh(q, e) < 0)
		return -1;
	uint64_t last = q->index.head.version, gone = q->index.head.gone;
	if (*since > 0 && *since < gone)
		return set_expired(*since, e);
	if (*since < gone)
		*since = gone;
	while (!status && *since < last) {
		status = pass_change(q, *since + 1, &line, &l);
		if (status >= 0)
			++*since;
	}
	buf_free(&line);
	return status;
}
