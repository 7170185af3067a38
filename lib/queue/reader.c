#include "queue/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "queue/private.h"

#define RECORD_MAX (4 << 20)
#define MARKS_MANY 1000 /* from here on it is tried to do with fewer */
#define MARKS_MAX 10000
#define FRESH_MS 86400000

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
open_readers(const struct queue *q, struct err *e)
{
	char path[16] = "readers";

	if (mkdirat(q->dirfd, path, 0700) < 0 && errno != EEXIST) {
		err_sys(e, "cannot create queue/%s/%s", q->name, path);
		return -1;
	}
	return file_open_beneath(q->dirfd, path, O_RDONLY | O_DIRECTORY, 0, e);
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

/* Where the first line behind the reader's version is; one that was damaged is nowhere. */
static int
find_unread(struct queue *q, struct queue_reader *r, struct err *e)
{
	if (queue_look(q, e) < 0)
		return -1;
	uint64_t last = q->index.head.version, gone = q->index.head.gone;
	uint64_t version = (r->version < gone ? gone : r->version) + 1;
	for (r->unread = 0; r->unread == 0 && version <= last; version++)
		r->unread = queue_index_version(&q->index, version);
	if (r->unread == 0)
		r->unread = UINT64_MAX;
	return 0;
}

/* Somebody reads with that name: its file does not become old (see reap/readers.c). */
static void
keep_fresh(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (int64_t)st.st_mtim.tv_sec * 1000 + FRESH_MS < clock_now())
		(void)utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW);
}

static int
load(struct queue *q, int dirfd, const char *name, struct queue_reader *r, struct err *e)
{
	struct buf b = BUF_INIT(RECORD_MAX);
	json_t *o = NULL;

	int status = file_slurp(dirfd, name, &b, e);
	if (status < 0 && errno == ENOENT)
		status = 0;
	else if (status == 0 && (o = jsonx_parse(b.data, b.len, e)) == NULL)
		status = -1;
	buf_free(&b);
	r->version = (uint64_t)jsonx_number(o, "version", 0);
	r->marks = json_incref(json_object_get(o, "marks"));
	if (r->marks == NULL)
		r->marks = json_object();
	json_decref(o);
	if (status < 0)
		return err_add(e, "queue/%s/readers/%s", q->name, name);
	if (r->marks == NULL)
		return err_memory(e);
	return find_pinned(r, e) < 0 ? -1 : find_unread(q, r, e);
}

static int
check_name(const char *reader, struct err *e)
{
	for (const char *p = reader; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return err_set(e, ERR_USAGE, "not a reader's name: %.64s", reader);
	return *reader == '\0' ? err_set(e, ERR_USAGE, "a reader needs a name") : 0;
}

int
queue_reader_load(struct queue *q, const char *tenant, const char *reader, struct queue_reader *r,
		  struct err *e)
{
	char name[QUEUE_LINK];

	*r = (struct queue_reader){.version = 0};
	if (check_name(reader, e) < 0 || queue_link_name(tenant, reader, name, e) < 0)
		return -1;
	int fd = open_readers(q, e);
	int status = fd < 0 ? -1 : load(q, fd, name, r, e);
	if (status == 0)
		keep_fresh(fd, name);
	file_close(fd);
	return status;
}

void
queue_reader_free(struct queue_reader *r)
{
	json_decref(r->marks);
	free(r->pinned);
	*r = (struct queue_reader){.version = 0};
}

enum queue_mark
queue_reader_mark(const struct queue_reader *r, const json_t *task)
{
	int64_t version = jsonx_number(task, "version", 0);
	char number[32];

	(void)snprintf(number, sizeof number, "%lld", (long long)jsonx_number(task, "number", 0));
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

/* The version of the first change that was not read. */
static int
find_first(void *arg, const json_t *task)
{
	uint64_t *first = arg, version = (uint64_t)jsonx_number(task, "version", 0);

	if (version < *first)
		*first = version;
	return 0;
}

/* Let the version tell what the marks say of tasks before it; ${all}: no mark but active counts. */
static void
drop_marks(struct queue_reader *r, bool all)
{
	const char *number;
	json_t *mark;
	void *next;

	json_object_foreach_safe(r->marks, next, number, mark)
	{
		int64_t read = json_integer_value(mark);
		if (read >= 0 && (all || (read > 0 && (uint64_t)read <= r->version)))
			(void)json_object_del(r->marks, number);
	}
}

/* Have fewer marks: everything before the first change that is unread has been read. */
static int
compact(struct queue *q, struct queue_reader *r, struct err *e)
{
	const struct queue_filter f = {
	    .states = ~(uint32_t)1, .reader = r, .marks = 1 << QUEUE_UNREAD};
	uint64_t last, first = UINT64_MAX;

	if (json_object_size(r->marks) < MARKS_MANY)
		return 0;
	if (queue_version(q, &last, e) < 0 || queue_list(q, &f, find_first, &first, e) < 0)
		return -1;
	if (first - 1 < last)
		last = first - 1;
	if (last > r->version)
		r->version = last;
	drop_marks(r, false);
	if (json_object_size(r->marks) <= MARKS_MAX)
		return 0;
	err_set(e, ERR_TOO_LARGE, "a reader marks at most %d tasks", MARKS_MAX);
	return err_hint(e, "read everything up to a version instead");
}

static int
save(int dirfd, const char *name, const struct queue_reader *r, struct err *e)
{
	struct buf b = BUF_INIT(RECORD_MAX);
	json_t *o = json_pack("{sI sO}", "version", (json_int_t)r->version, "marks", r->marks);

	int status = o == NULL ? err_memory(e) : jsonx_dump(o, &b, e);
	if (status == 0)
		status = file_replace(dirfd, name, b.data, b.len, true, e);
	json_decref(o);
	buf_free(&b);
	return status;
}

/* Load ${reader}, let ${change} change it, and save it. */
static int
update(struct queue *q, const char *tenant, const char *reader,
       int (*change)(struct queue *q, struct queue_reader *r, const void *arg, struct err *e),
       const void *arg, struct err *e)
{
	struct queue_reader r = {.version = 0};
	char name[QUEUE_LINK];

	if (check_name(reader, e) < 0 || queue_link_name(tenant, reader, name, e) < 0)
		return -1;
	int fd = open_readers(q, e), status = -1;
	int lock = fd < 0 ? -1 : file_lock(fd, ".lock", true, e);
	if (lock >= 0 && load(q, fd, name, &r, e) == 0 && change(q, &r, arg, e) == 0)
		status = save(fd, name, &r, e);
	queue_reader_free(&r);
	file_close(lock);
	file_close(fd);
	return status;
}

struct marking {
	const uint64_t *numbers;
	size_t count;
	enum queue_mark mark;
};

static int
mark_tasks(struct queue *q, struct queue_reader *r, const void *arg, struct err *e)
{
	const struct marking *m = arg;
	char name[32];

	for (size_t i = 0; i < m->count; i++) {
		json_t *task = queue_show(q, m->numbers[i], e);
		if (task == NULL)
			return -1;
		int64_t value = m->mark == QUEUE_ACTIVE ? -1
				: m->mark == QUEUE_READ ? jsonx_number(task, "version", 0)
							: 0;
		json_decref(task);
		(void)snprintf(name, sizeof name, "%llu", (unsigned long long)m->numbers[i]);
		if (json_object_set_new(r->marks, name, json_integer(value)) < 0)
			return err_memory(e);
	}
	return compact(q, r, e);
}

int
queue_reader_set(struct queue *q, const char *tenant, const char *reader, const uint64_t *numbers,
		 size_t n, enum queue_mark mark, struct err *e)
{
	const struct marking m = {numbers, n, mark};

	return update(q, tenant, reader, mark_tasks, &m, e);
}

static int
mark_all(struct queue *q, struct queue_reader *r, const void *arg, struct err *e)
{
	uint64_t version = *(const uint64_t *)arg, last;

	if (queue_version(q, &last, e) < 0)
		return -1;
	if (version > last)
		return err_set(e, ERR_BAD_DATA, "there is no version %llu yet",
			       (unsigned long long)version);
	r->version = version;
	drop_marks(r, true);
	return 0;
}

int
queue_reader_set_all(struct queue *q, const char *tenant, const char *reader, uint64_t version,
		     struct err *e)
{
	return update(q, tenant, reader, mark_all, &version, e);
}
