#include "queue/private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Wake whoever waits for a task: all who watch the directory see that a file is written. */
static void
ring(const struct queue *q)
{
	int fd = openat(q->bellfd, "rung", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	file_close(fd); /* if this fails, waiters look by themselves within a second */
}

/* True if ${task} is a line that follows version ${previous}, and ${damaged} bytes of others. */
static bool
is_next(const json_t *task, uint64_t previous, uint64_t damaged)
{
	int64_t version = task_version(task), number = task_number(task);

	return number > 0 && number <= version && (uint64_t)version > previous &&
	       (previous == 0 || (uint64_t)version <= previous + 1 + damaged) &&
	       queue_task_state(task) != QUEUE_NONE;
}

/* The number that a damaged line still shows is not given to another task. */
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

/* Index ${task}, the line of ${size} bytes at the end of what is indexed. */
static int
index_task(struct queue *q, const json_t *task, uint64_t size, struct err *e)
{
	struct queue_head *h = &q->index.head;
	uint64_t version = (uint64_t)task_version(task);

	if (h->version == 0) /* those before it were removed by hand */
		h->gone = version - 1;
	h->version = version;
	if (queue_index_line(q, task, h->end, task_payload(task) != NULL ? size : 0, true, e) < 0)
		return -1;
	return queue_index_versions(&q->index, version, &h->end, 1, e);
}

/* The same for a line that is no task any more: its version stays free. */
static int
index_damage(struct queue *q, const struct buf *line, struct err *e)
{
	const uint64_t nowhere = 0;

	if (queue_index_versions(&q->index, ++q->index.head.version, &nowhere, 1, e) < 0)
		return -1;
	return keep_number(q, line, e);
}

static int
index_next(struct queue *q, const struct buf *line, uint64_t size, uint64_t *damaged, struct err *e)
{
	json_t *task;
	int status;

	if (queue_parse(line, &task, e) < 0)
		return -1;
	if (is_next(task, q->index.head.version, *damaged)) {
		*damaged = 0;
		status = index_task(q, task, size, e);
	} else {
		*damaged += size;
		status = index_damage(q, line, e);
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

/* Index what follows the head: nothing, unless a writer was killed.  Returns 1 if the journal is
 * shorter than the head says. */
static int
catch_up(struct queue *q, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	struct queue_head *h = &q->index.head;
	uint64_t next, damaged = 0, indexed = h->end;
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
	if (!q->index.readonly && queue_settle(q, e) < 0)
		return -1;
	q->ended_count = 0;
	return h->end != indexed ? queue_index_save(&q->index, e) : 0;
}

int
queue_rebuild(struct queue *q, struct err *e)
{
	struct queue_floor f;
	uint64_t oldest = 0;

	if (queue_floor_read(q, &f, e) < 0 || queue_journal_oldest(&q->journal, &oldest, e) < 0)
		return queue_damaged(q, e);
	if (queue_index_reset(&q->index, f.count, f.version, e) < 0)
		return -1;
	struct queue_head *h = &q->index.head;
	h->end = (oldest > f.segment ? oldest : f.segment) * QUEUE_SEGMENT;
	h->looked = h->end;
	h->looked_version = h->gone = f.version;
	if (catch_up(q, e) < 0)
		return queue_damaged(q, e);
	return q->index.readonly ? 0 : queue_restore_claims(q, e);
}

static void
abort_change(struct queue *q)
{
	queue_drop_changes(q);
	q->ended_count = 0;
	queue_index_unlock(&q->index);
}

int
queue_begin(struct queue *q, struct err *e)
{
	bool sound;

	if (queue_index_lock(&q->index, &sound, e) < 0)
		return queue_damaged(q, e);
	int status = sound ? catch_up(q, e) : 1;
	if (status == 1)
		status = queue_rebuild(q, e);
	if (status < 0)
		abort_change(q);
	return status;
}

int
queue_end(struct queue *q, int status, bool durable, struct err *e)
{
	if (status < 0 || queue_write(q, 0, e) < 0 || queue_settle(q, e) < 0) {
		abort_change(q);
		return -1;
	}
	bool rings = q->ring;
	q->ring = false;
	/* A change has happened as soon as it is in the journal: if this fails, the next one
	 * indexes it. */
	(void)queue_index_save(&q->index, NULL);
	queue_index_unlock(&q->index);
	if (rings)
		ring(q);
	return durable && queue_journal_sync(&q->journal, q->index.head.end, e) < 0 ? -1 : status;
}

int
queue_refresh(struct queue *q, struct err *e)
{
	bool sound;

	if (queue_index_peek(&q->index, &sound, e) < 0)
		return queue_damaged(q, e);
	if (sound)
		return 0;
	return queue_begin(q, e) < 0 ? -1 : queue_end(q, 0, false, e);
}
