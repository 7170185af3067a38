/* queue/check - whether the index says what the journal says. */
#include <stdarg.h>
#include <stdio.h>

#include "queue/private.h"

struct findings {
	struct queue *queue;
	void (*report)(void *arg, const char *text);
	void *arg;
	int wrong;
};

static void __attribute__((format(printf, 2, 3)))
report_wrong(struct findings *f, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	f->wrong++;
	f->report(f->arg, text);
}

/* Compare what ${cell} says with the task's newest line. */
static void
check_cell(struct findings *f, uint64_t number, const struct queue_cell *cell)
{
	struct queue *q = f->queue;
	struct err e;

	json_t *task = queue_read(q, cell, true, &e);
	if (task == NULL)
		report_wrong(f, "task %llu cannot be read: %s", (unsigned long long)number,
			     e.message);
	else if ((uint64_t)task_number(task) != number)
		report_wrong(f, "the cell of task %llu leads to another",
			     (unsigned long long)number);
	else if (queue_task_state(task) != (enum queue_state)cell->state ||
		 (uint32_t)task_attempt(task) != cell->attempt)
		report_wrong(f, "task %llu is %s, its cell says %s", (unsigned long long)number,
			     task_state(task), queue_state_name((enum queue_state)cell->state));
	json_decref(task);
}

static int
check_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct findings *f = arg;
	unsigned states[QUEUE_STATES] = {0};
	struct err e;

	for (uint64_t n = number * QUEUE_CELLS + 1; n <= (number + 1) * QUEUE_CELLS; n++) {
		const struct queue_cell *c = queue_index_cell(&f->queue->index, n, &e);
		if (c == NULL)
			return -1;
		struct queue_cell cell = *c;
		if (cell.put == 0)
			continue;
		states[cell.state]++;
		check_cell(f, n, &cell);
	}
	for (int i = QUEUE_NONE + 1; i < QUEUE_STATES; i++)
		if (states[i] != b->states[i])
			report_wrong(f, "block %llu has %u tasks that are %s, its summary says %u",
				     (unsigned long long)number, states[i],
				     queue_state_name((enum queue_state)i), b->states[i]);
	return 0;
}

/* Is the line of version ${v}, read into ${line}, where the index says? */
static int
check_version(struct findings *f, uint64_t v, struct buf *line, struct err *e)
{
	struct queue *q = f->queue;
	uint64_t at = queue_index_version(&q->index, v);

	if (at == 0) {
		report_wrong(f, "version %llu is lost: its line was damaged",
			     (unsigned long long)v);
		return 0;
	}
	int found = queue_journal_read(&q->journal, at, line, NULL, e);
	if (found < 0)
		return -1;
	json_t *task = NULL;
	if (found == 1 && queue_parse(line, &task, e) < 0)
		return -1;
	if ((uint64_t)task_version(task) != v)
		report_wrong(f, "version %llu is not where the index says", (unsigned long long)v);
	json_decref(task);
	return 0;
}

static int
check_versions(struct findings *f, struct err *e)
{
	const struct queue_head *h = &f->queue->index.head;
	struct buf line = BUF_INIT(QUEUE_LINE);
	int status = 0;

	for (uint64_t v = h->gone + 1; status >= 0 && v <= h->version; v++)
		status = check_version(f, v, &line, e);
	buf_free(&line);
	return status;
}

int
queue_check(struct queue *q, bool repair, void (*report)(void *arg, const char *text), void *arg,
	    struct err *e)
{
	struct findings f = {.queue = q, .report = report, .arg = arg};

	if (queue_begin(q, e) < 0)
		return -1;
	q->index.head.first = q->index.head.kept;
	bool failed = queue_index_blocks(&q->index, check_block, &f, e) < 0 ||
		      check_versions(&f, e) < 0 || (repair && queue_rebuild(q, e) < 0);
	return queue_end(q, failed ? -1 : f.wrong, false, e);
}
