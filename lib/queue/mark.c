#include "queue/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mark_names[QUEUE_MARKS] = {"unread", "read", "active"};

const char *
queue_mark_name(enum queue_mark mark)
{
	return mark_names[mark];
}

enum queue_mark
queue_mark_named(const char *name)
{
	int mark = 0;

	while (mark < QUEUE_MARKS && strcmp(mark_names[mark], name) != 0)
		mark++;
	return (enum queue_mark)mark;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Note which tasks have a mark that is not about versions. */
static int
find_pinned(struct queue_reader *r, struct err *e)
{
	const char *number;
	json_t *mark;

	r->pinned = calloc(json_object_size(r->marks) + 1, sizeof *r->pinned);
	if (r->pinned == NULL)
		return err_memory(e);
	json_object_foreach (r->marks, number, mark)
		if (json_integer_value(mark) <= 0)
			r->pinned[r->pinned_count++] = strtoull(number, NULL, 10);
	qsort(r->pinned, r->pinned_count, sizeof *r->pinned, by_number);
	return 0;
}

/* Where the first line after the reader's version is; one that was damaged is nowhere. */
static int
find_unread(struct queue *q, struct queue_reader *r, struct err *e)
{
	if (queue_refresh(q, e) < 0)
		return -1;
	uint64_t last = q->index.head.version, gone = q->index.head.gone;
	uint64_t version = (r->version < gone ? gone : r->version) + 1;
	for (r->unread = 0; r->unread == 0 && version <= last; version++)
		r->unread = queue_index_version(&q->index, version);
	if (r->unread == 0)
		r->unread = UINT64_MAX;
	return 0;
}

int
queue_reader_prepare(struct queue *q, struct queue_reader *r, struct err *e)
{
	return find_pinned(r, e) < 0 ? -1 : find_unread(q, r, e);
}

enum queue_mark
queue_reader_mark(const struct queue_reader *r, const json_t *task)
{
	int64_t version = task_version(task);
	char number[32];

	(void)snprintf(number, sizeof number, "%lld", (long long)task_number(task));
	const json_t *mark = json_object_get(r->marks, number);
	int64_t read = mark == NULL ? (int64_t)r->version : json_integer_value(mark);
	return read < 0 ? QUEUE_ACTIVE : version <= read ? QUEUE_READ : QUEUE_UNREAD;
}

bool
queue_reader_may_want(const struct queue_reader *r, uint64_t from, uint64_t to, uint64_t newest)
{
	size_t low = 0, high = r->pinned_count;

	if (newest >= r->unread)
		return true;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (r->pinned[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->pinned_count && r->pinned[low] <= to;
}
