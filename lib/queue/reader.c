#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/private.h"

MEMBER_INTEGER(reader, version, "version", 0)
MEMBER_JSON(reader, marks, "marks")

#define RECORD_MAX (4 << 20)
#define MARKS_MANY 1000 /* from here on it is tried to do with fewer */
#define MARKS_MAX 10000
#define FRESH_MS 86400000

static int
check_name(const char *reader, struct err *e)
{
	for (const char *p = reader; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return err_set(e, ERR_USAGE, "not a reader's name: %.64s", reader);
	return *reader == '\0' ? err_set(e, ERR_USAGE, "a reader needs a name") : 0;
}

/* Open the directory of all readers, where ${who} is ${name}, and make it with ${create}: a
 * descriptor, or -1. */
static int
open_readers(const struct queue *q, const struct queue_reader_name *who, bool create,
	     char name[QUEUE_LINK], struct err *e)
{
	if (check_name(who->reader, e) < 0 ||
	    queue_link_name(who->tenant, who->reader, name, e) < 0)
		return -1;
	if (create && mkdirat(q->dirfd, "readers", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create queue/%s/readers", q->name);
	return file_open_beneath(q->dirfd, "readers", O_RDONLY | O_DIRECTORY, 0, e);
}

/* Somebody reads with that name: its file does not become old (see reap/readers.c). */
static void
touch_reader(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (int64_t)st.st_mtim.tv_sec * 1000 + FRESH_MS < clock_now())
		(void)utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW);
}

static int
load_reader(struct queue *q, int dirfd, const char *name, struct queue_reader *r, struct err *e)
{
	json_t *o = dirfd < 0 ? NULL : jsonx_load(dirfd, name, RECORD_MAX, e);

	if (o == NULL && dirfd >= 0 && errno != ENOENT)
		return err_add(e, "queue/%s/readers/%s", q->name, name);
	if (o != NULL) { /* else it is a new one */
		r->version = (uint64_t)reader_version(o);
		r->marks = json_incref(reader_marks(o));
	}
	json_decref(o);
	if (r->marks == NULL)
		r->marks = json_object();
	if (r->marks == NULL)
		return err_memory(e);
	return queue_reader_prepare(q, r, e);
}

static int
load_named(struct queue *q, const struct queue_reader_name *who, struct queue_reader *r,
	   struct err *e)
{
	char name[QUEUE_LINK];
	struct err why;

	*r = (struct queue_reader){.version = 0};
	int fd = open_readers(q, who, false, name, &why);
	if (fd < 0 && why.code != ERR_NOT_FOUND) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	/* Where nobody has read anything yet, everybody is new. */
	int status = load_reader(q, fd, name, r, e);
	if (status >= 0 && fd >= 0)
		touch_reader(fd, name);
	file_close(fd);
	return status;
}

static void
free_reader(struct queue_reader *r)
{
	json_decref(r->marks);
	free(r->pinned);
	*r = (struct queue_reader){.version = 0};
}

int
queue_reader_changes(struct queue *q, const struct queue_reader_name *who,
		     const struct queue_selection *s, uint64_t *since, struct err *e)
{
	struct queue_filter f = *s->filter;
	struct queue_reader r;

	if (who->reader == NULL)
		return queue_changes(q, &f, since, s->each, s->arg, e);
	f.reader = &r;
	int status = load_named(q, who, &r, e);
	if (status >= 0)
		status = queue_changes(q, &f, since, s->each, s->arg, e);
	free_reader(&r);
	return status;
}

int
queue_reader_list(struct queue *q, const struct queue_reader_name *who,
		  const struct queue_filter *filter, int (*each)(void *arg, const json_t *task),
		  void *arg, struct err *e)
{
	struct queue_filter f = *filter;
	struct queue_reader r;

	if (who->reader == NULL)
		return queue_list(q, &f, each, arg, e);
	f.reader = &r;
	if (f.states == 0 && f.marks != 0)
		f.states = QUEUE_ALL_STATES; /* what has ended is news, too */
	int status = load_named(q, who, &r, e);
	if (status >= 0)
		status = queue_list(q, &f, each, arg, e);
	free_reader(&r);
	return status;
}

/* The version of the first change that was not read. */
static int
find_first(void *arg, const json_t *task)
{
	uint64_t *first = arg, version = (uint64_t)task_version(task);

	if (version < *first)
		*first = version;
	return 0;
}

/* Drop the marks that the version says as well; ${all}: all but those of active tasks. */
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
	    .states = QUEUE_ALL_STATES, .reader = r, .marks = 1 << QUEUE_UNREAD};
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
save_reader(int dirfd, const char *name, const struct queue_reader *r, struct err *e)
{
	json_t *o = json_object();
	int status = -1;

	if (reader_set_version(o, (int64_t)r->version) < 0 ||
	    reader_set_marks(o, json_incref(r->marks)) < 0)
		err_memory(e);
	else
		status = jsonx_save(dirfd, name, o, RECORD_MAX, true, e);
	json_decref(o);
	return status;
}

/* Load the reader, let ${change} change it, and save it. */
static int
update_reader(struct queue *q, const struct queue_reader_name *who,
	      int (*change)(struct queue *q, struct queue_reader *r, const void *arg,
			    struct err *e),
	      const void *arg, struct err *e)
{
	struct queue_reader r = {.version = 0};
	char name[QUEUE_LINK];
	int status = -1, lock = -1;

	int fd = open_readers(q, who, true, name, e);
	if (fd < 0)
		return -1;
	lock = file_lock(fd, ".lock", true, e);
	if (lock < 0 || load_reader(q, fd, name, &r, e) < 0 || change(q, &r, arg, e) < 0)
		goto out;
	status = save_reader(fd, name, &r, e);
out:
	free_reader(&r);
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
				: m->mark == QUEUE_READ ? task_version(task)
							: 0;
		json_decref(task);
		(void)snprintf(name, sizeof name, "%llu", (unsigned long long)m->numbers[i]);
		if (json_object_set_new(r->marks, name, json_integer(value)) < 0)
			return err_memory(e);
	}
	return compact(q, r, e);
}

int
queue_reader_set(struct queue *q, const struct queue_reader_name *who, const uint64_t *numbers,
		 size_t n, enum queue_mark mark, struct err *e)
{
	const struct marking m = {numbers, n, mark};

	return update_reader(q, who, mark_tasks, &m, e);
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
queue_reader_set_all(struct queue *q, const struct queue_reader_name *who, uint64_t version,
		     struct err *e)
{
	return update_reader(q, who, mark_all, &version, e);
}
