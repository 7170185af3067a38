/*
 * queue/retire - tasks that ended long ago are forgotten, and the journal keeps its length.
 *
 * The journal is cut at its old end, a segment at a time.  A segment that nobody has written to for
 * the retention is read line by line:
 *
 *  1. The first line of a task that goes on, or ended lately, or is waited for, is written again at
 *     the new end, with its payload.  Its cell leads there then.
 *  2. Of any other task the key, the dependants and the directory of its job are removed, and then
 *     its cell is emptied.
 *  3. Any other line says nothing that the task's newest line does not say.
 *
 * When nothing leads into the segment any more, what was written again is made durable, then
 * queue/<name>/retired says where the journal begins, and then the segment is removed.  Before that
 * all of it can be done again: an index made anew has the forgotten tasks again, for as long.
 *
 * So that a queue of a few tasks a day forgets, too, the segment that is written to is closed, and
 * another begun, every eighth of the retention.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "queue/private.h"

#define AT_ONCE 256 /* lines for which the lock is held */
#define BYTES_AT_ONCE ((uint64_t)4 << 20)

struct retiring {
	struct queue *queue;
	int64_t before; /* ms: what ended then or earlier is forgotten */
	int64_t age;
	bool dry;
	size_t left;  /* lines that may be read */
	uint64_t at;  /* the next one */
	uint64_t end; /* of the journal; the segment that it is in is still written to */
	uint64_t version;
	struct queue_retired *done;
	size_t job_count; /* directories in tmp/, to be removed without the lock */
	char job[AT_ONCE][ID_MAX + 1];
};

/* Move the directory of the job to tmp/ at once; it is removed after the lock is released. */
static int
move_job(struct retiring *r, uint64_t number, struct err *e)
{
	char path[48], *name = r->job[r->job_count];
	int tmpfd = home_dir("tmp", e);

	if (tmpfd < 0 || id_make("removed-", 16, name, e) < 0)
		return -1;
	(void)snprintf(path, sizeof path, "jobs/%llu", (unsigned long long)number);
	if (renameat(r->queue->dirfd, path, tmpfd, name) == 0)
		r->job_count++;
	else if (errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "cannot remove queue/%s/%s", r->queue->name, path);
	return 0;
}

static void
remove_jobs(struct retiring *r)
{
	int tmpfd = home_dir("tmp", NULL);

	for (size_t i = 0; i < r->job_count; i++)
		(void)file_remove_tree(tmpfd, r->job[i], NULL); /* else it lies in tmp/ */
	r->job_count = 0;
}

/* The notes about those that ${task} depended on go when both are forgotten. */
static int
forget_needs(struct queue *q, const json_t *task, struct err *e)
{
	uint64_t number;
	const json_t *id;
	size_t i;

	json_array_foreach (task_depends_on(task), i, id) {
		if (queue_number_of(q, json_string_value(id), &number, NULL) < 0)
			continue;
		const struct queue_cell *c = queue_index_cell(&q->index, number, e);
		if (c == NULL || (c->put == 0 && queue_forget_dependants(q, number, e) < 0))
			return -1;
	}
	return 0;
}

/* Forget ${task}, whose first line this is.  Its cell goes last: if we are killed, the next run
 * does it again. */
static int
forget_task(struct retiring *r, uint64_t number, const json_t *task, struct err *e)
{
	const char *key = task_key(task);
	struct queue *q = r->queue;

	if (key != NULL && queue_key_forget(q, task_tenant(task), key, number, e) < 0)
		return -1;
	if (move_job(r, number, e) < 0 || queue_forget_dependants(q, number, e) < 0)
		return -1;
	queue_running_remove(q, number);
	struct queue_cell *c = queue_index_cell(&q->index, number, e);
	if (c == NULL)
		return -1;
	memset(c, 0, sizeof *c);
	queue_index_mark(&q->index, number);
	return forget_needs(q, task, e);
}

/* Write the task of ${cell} again. */
static int
rewrite_task(struct queue *q, const struct queue_cell *cell, struct err *e)
{
	json_t *task = queue_read(q, cell, true, e);

	if (task == NULL)
		return -1;
	int status = queue_change_again(q, task, true, e);
	json_decref(task);
	return status;
}

/* True if the task of ${cell}, which has ended, did so long enough ago. */
static bool
is_old(const struct retiring *r, const struct queue_cell *cell)
{
	json_t *task = queue_read(r->queue, cell, false, NULL);
	const char *text = task_updated(task);
	int64_t ms;

	bool old = text != NULL && clock_parse(text, &ms, NULL) == 0 && ms <= r->before;
	json_decref(task);
	return old;
}

/* Is the task of ${cell} kept?  1, 0 or -1. */
static int
is_kept(const struct retiring *r, uint64_t number, const struct queue_cell *cell, struct err *e)
{
	if (!queue_state_ended((enum queue_state)cell->state) || !is_old(r, cell))
		return 1;
	return queue_awaited(r->queue, number, e);
}

/* Look at the line ${task}, which is at r->at. */
static int
retire_line(struct retiring *r, const json_t *task, struct err *e)
{
	uint64_t number = (uint64_t)task_number(task);
	struct queue *q = r->queue;
	struct queue_cell cell;

	if (number == 0 || queue_find(q, number, &cell, NULL) < 0 || cell.put != r->at)
		return 0;
	int kept = is_kept(r, number, &cell, e);
	if (kept < 0)
		return -1;
	if (kept)
		r->done->rewritten++;
	else
		r->done->tasks++;
	if (r->dry)
		return 0;
	return kept ? rewrite_task(q, &cell, e) : forget_task(r, number, task, e);
}

/* Everything in the segment before r->at was read: it is not needed any more. */
static int
remove_segment(struct retiring *r, struct err *e)
{
	struct queue *q = r->queue;
	struct queue_head *h = &q->index.head;
	uint64_t segment = r->at / QUEUE_SEGMENT;
	const struct queue_floor f = {segment + 1, r->version, h->count};

	r->at = (segment + 1) * QUEUE_SEGMENT;
	r->done->segments++;
	if (r->dry)
		return 0;
	if (queue_write(q, QUEUE_KEEP_NEW, e) < 0 ||
	    queue_journal_sync(&q->journal, h->end, e) < 0 || queue_floor_write(q, &f, e) < 0)
		return -1;
	h->looked = r->at;
	h->looked_version = h->gone = r->version;
	/* Before it is removed nothing leads there, for those who only look either. */
	if (queue_index_forget(&q->index, e) < 0 || queue_index_save(&q->index, e) < 0)
		return -1;
	return queue_journal_remove(&q->journal, segment * QUEUE_SEGMENT, e);
}

/* The next line; or the segment ends with the one before.  Returns 1, or -1. */
static int
retire_next(struct retiring *r, struct buf *line, struct err *e)
{
	struct queue *q = r->queue;
	uint64_t next;

	int found = queue_journal_read(&q->journal, r->at, line, &next, e);
	if (found < 0 || (found == 0 && remove_segment(r, e) < 0))
		return -1;
	if (found == 0)
		return 1;
	json_t *task;
	if (queue_parse(line, &task, e) < 0)
		return -1;
	uint64_t version = (uint64_t)task_version(task);
	/* A line that was damaged counts, as it does in the index. */
	r->version = queue_index_version(&q->index, version) == r->at ? version : r->version + 1;
	int status = retire_line(r, task, e) < 0 ? -1 : 1;
	json_decref(task);
	r->at = next;
	r->left--;
	return status;
}

/* Is the next line in a segment that is old enough?  1, 0 or -1. */
static int
is_old_segment(const struct retiring *r, struct err *e)
{
	struct queue *q = r->queue;
	int64_t written;

	if (r->at / QUEUE_SEGMENT >= r->end / QUEUE_SEGMENT)
		return 0;
	if (queue_journal_time(&q->journal, r->at, &written, e) < 0)
		return -1;
	return written <= r->before;
}

/* Look at the lines of old segments, for a while.  Returns 1 if there may be more, 0, -1. */
static int
retire_lines(struct retiring *r, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	uint64_t end = r->at + BYTES_AT_ONCE;
	int status = 1;

	for (int n = 0; status == 1 && n < AT_ONCE && r->at < end && r->left > 0; n++) {
		status = is_old_segment(r, e);
		if (status == 1)
			status = retire_next(r, &line, e);
	}
	buf_free(&line);
	return status;
}

static int
has_ended(void *arg, uint64_t number, const struct queue_block *b)
{
	(void)number;
	for (int state = QUEUE_COMPLETED; state < QUEUE_STATES; state++)
		*(bool *)arg |= b->states[state] > 0;
	return *(bool *)arg;
}

/* Begin another segment if there is something to forget, and this one was begun long ago: when the
 * previous one was written to last.  A dry run goes on as if. */
static int
change_segment(struct retiring *r, struct err *e)
{
	struct queue *q = r->queue;
	struct queue_head *h = &q->index.head;
	uint64_t first = h->first;
	int64_t begun = 0;
	bool any = false;

	r->end = h->end;
	if (h->end % QUEUE_SEGMENT == 0)
		return 0;
	if (queue_journal_time(&q->journal, h->end - QUEUE_SEGMENT, &begun, e) < 0)
		return -1;
	if (begun > clock_now() - r->age / 8)
		return 0;
	h->first = h->kept;
	int status = queue_index_blocks(&q->index, has_ended, &any, e);
	h->first = first;
	if (status < 0 || !any)
		return status;
	r->end += QUEUE_SEGMENT;
	return r->dry ? 0 : queue_journal_leave(&q->journal, &h->end, e);
}

/* Where to go on: where the head says, unless that was removed. */
static int
find_start(struct retiring *r, struct err *e)
{
	struct queue *q = r->queue;
	const struct queue_head *h = &q->index.head;
	struct queue_floor f;
	uint64_t oldest;

	if (queue_floor_read(q, &f, e) < 0)
		return -1;
	bool fits = h->looked >= f.segment * QUEUE_SEGMENT;
	r->at = fits ? h->looked : f.segment * QUEUE_SEGMENT;
	r->version = fits ? h->looked_version : f.version;
	/* One that was killed may have left a segment from before that. */
	if (!r->dry && (queue_journal_oldest(&q->journal, &oldest, e) < 0 ||
			(oldest < f.segment &&
			 queue_journal_remove(&q->journal, oldest * QUEUE_SEGMENT, e) < 0)))
		return -1;
	return change_segment(r, e);
}

/* As much as the lock is held for at a time; the lock is held. */
static int
retire_locked(struct retiring *r, bool first, struct err *e)
{
	if (first && find_start(r, e) < 0)
		return -1;
	r->before = clock_now() - r->age;
	int status = retire_lines(r, e);
	if (status >= 0 && queue_write(r->queue, QUEUE_KEEP_NEW, e) < 0)
		return -1;
	return status;
}

static int
retire_some(struct retiring *r, bool first, struct err *e)
{
	struct queue *q = r->queue;
	struct queue_head *h = &q->index.head;

	if (queue_begin(q, e) < 0)
		return -1;
	int status = retire_locked(r, first, e);
	if (status >= 0 && !r->dry) {
		h->looked = r->at;
		h->looked_version = r->version;
	}
	return queue_end(q, status, false, e);
}

int
queue_retire(struct queue *q, int64_t age, size_t max, bool dry, struct queue_retired *done,
	     struct err *e)
{
	struct retiring r = {.queue = q, .age = age, .dry = dry, .left = max, .done = done};
	int status = 1;

	if (age < 0)
		r.age = q->config.retention;
	for (bool first = true; status == 1 && r.left > 0; first = false) {
		status = retire_some(&r, first, e);
		/* An index that led astray is made anew, once. */
		if (status < 0 && q->index.distrusted)
			status = retire_some(&r, true, e);
		remove_jobs(&r);
	}
	return status;
}
