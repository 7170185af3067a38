#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "home.h"
#include "id.h"
#include "jsonx.h"

#define TASK_MAX (4 * 1024 * 1024)

struct dirs {
	int pending, running;
};

static int
open_dirs(const char *queue, struct dirs *d, struct err *e)
{
	char name[128];

	if (!id_valid(queue) || strlen(queue) > QUEUE_NAME) {
		(void)err_set(e, ERR_USAGE, "not a queue name: %.64s", queue);
		return err_hint(e, "a name has 1 to %d letters, digits, _ and -", QUEUE_NAME);
	}
	(void)snprintf(name, sizeof name, "queue/%s/pending", queue);
	d->pending = home_dir(name, e);
	(void)snprintf(name, sizeof name, "queue/%s/running", queue);
	d->running = home_dir(name, e);
	return d->pending < 0 || d->running < 0 ? -1 : 0;
}

int
queue_put(const char *queue, const char *id, const json_t *task, struct err *e)
{
	struct buf b = BUF_INIT(TASK_MAX);
	char name[QUEUE_TASK];
	struct dirs d = {-1, -1};
	int status = -1;

	if (open_dirs(queue, &d, e) < 0)
		return -1;
	(void)snprintf(name, sizeof name, "%013lld-%s", (long long)clock_now(), id);
	if (jsonx_dump(task, &b, e) == 0)
		status = file_replace(d.pending, name, b.data, b.len, true, e);
	buf_free(&b);
	return status < 0 ? err_add(e, "queue %s", queue) : 0;
}

static int
is_task(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strlen(entry->d_name) < QUEUE_TASK;
}

/* The task that was put first, of those in ${fd}: 1, 0 if there is none. */
static int
oldest(int fd, char name[QUEUE_TASK], struct err *e)
{
	const struct dirent *entry;

	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return err_sys(e, "cannot read a queue");
	}
	name[0] = '\0';
	while ((entry = readdir(dir)) != NULL)
		if (is_task(entry) && (name[0] == '\0' || strcmp(entry->d_name, name) < 0))
			strcpy(name, entry->d_name);
	(void)closedir(dir);
	return name[0] != '\0';
}

/* A lock counts only if the file still has its name here: else it was moved while we waited.  Only
 * the holder of a task's lock moves it, so what is true now stays true. */
static bool
still_named(int fd, int dirfd, const char *name)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* Open the task ${name} in ${dirfd} and hold its lock: 1, 0 if another has it or it is gone. */
static int
hold(int dirfd, const char *name, bool wait, int *fd, struct err *e)
{
	*fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open task %s", name);
	if (flock(*fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) == 0 && still_named(*fd, dirfd, name))
		return 1;
	file_close(*fd);
	*fd = -1;
	return 0;
}

/* Bring back what a dead worker left in running/. */
static int
recover(const struct dirs *d, struct err *e)
{
	struct dirent **names;
	int status = 0, fd;

	int n = scandirat(d->running, ".", &names, is_task, alphasort);
	if (n < 0)
		return err_sys(e, "cannot read a queue");
	for (int i = 0; i < n; i++) {
		if (status == 0 &&
		    (status = hold(d->running, names[i]->d_name, false, &fd, e)) == 1) {
			status = 0;
			if (renameat(d->running, names[i]->d_name, d->pending, names[i]->d_name) <
			    0)
				status = err_sys(e, "cannot bring back %s", names[i]->d_name);
			file_close(fd);
		}
		free(names[i]);
	}
	free(names);
	return status;
}

/* Write ${t} anew.  A torn file would lose the task, so it is written whole beside and renamed, and
 * the lock is on the new file before the old name is gone. */
static int
rewrite(const struct dirs *d, struct queue_task *t, bool durable, struct err *e)
{
	struct buf b = BUF_INIT(TASK_MAX);
	char fresh[QUEUE_TASK + 8];
	int status = -1;

	(void)snprintf(fresh, sizeof fresh, ".%s", t->name);
	int fd = openat(d->running, fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)err_sys(e, "cannot write task %s", t->name);
		goto out;
	}
	if (jsonx_dump(t->json, &b, e) < 0 || file_write(fd, b.data, b.len, e) < 0)
		goto out;
	if ((durable && fdatasync(fd) < 0) ||
	    renameat(d->running, fresh, d->running, t->name) < 0) {
		(void)err_sys(e, "cannot write task %s", t->name);
		goto out;
	}
	file_close(t->fd);
	t->fd = fd;
	fd = -1;
	status = 0;
out:
	file_close(fd);
	buf_free(&b);
	return status;
}

/* Note that the task has a worker, or has none any more. */
static int
set_claimed(json_t *task, bool claimed, struct err *e)
{
	if (json_object_set_new(task, "claimed", json_boolean(claimed)) < 0)
		return err_memory(e);
	return 0;
}

/* Read the task that is held, and count the attempt; and a death, if the one before did not hand it
 * back. */
static int
load(const struct dirs *d, struct queue_task *t, struct err *e)
{
	struct buf b = BUF_INIT(TASK_MAX);
	int status = file_slurp(d->running, t->name, &b, e);

	if (status == 0 && (t->json = jsonx_parse(b.data, b.len, e)) == NULL) {
		(void)home_quarantine(d->running, t->name, "task", NULL);
		status = err_add(e, "task %s is damaged and was moved to corrupt/", t->name);
	}
	buf_free(&b);
	if (status < 0)
		return -1;
	json_int_t died = json_is_true(json_object_get(t->json, "claimed")) ? 1 : 0;
	if (json_object_set_new(t->json, "attempt",
				json_integer(jsonx_number(t->json, "attempt", 0) + 1)) < 0 ||
	    json_object_set_new(t->json, "deaths",
				json_integer(jsonx_number(t->json, "deaths", 0) + died)) < 0)
		return err_memory(e);
	return set_claimed(t->json, true, e);
}

int
queue_take(const char *queue, struct queue_task *t, struct err *e)
{
	struct dirs d = {-1, -1};
	int found;

	if (open_dirs(queue, &d, e) < 0 || recover(&d, e) < 0)
		return -1;
	*t = (struct queue_task){.fd = -1};
	while ((found = oldest(d.pending, t->name, e)) == 1) {
		/* Lock first, then claim by rename: a task is never in running/ without a holder
		 * that lives, so that recover cannot take it for a dead worker's. */
		int held = hold(d.pending, t->name, true, &t->fd, e);
		if (held < 0)
			return -1;
		if (held == 0)
			continue;
		if (renameat(d.pending, t->name, d.running, t->name) == 0)
			break;
		(void)err_sys(e, "cannot claim task %s", t->name);
		file_close(t->fd);
		return -1;
	}
	if (found != 1)
		return found;
	if (load(&d, t, e) == 0)
		return 1;
	file_close(t->fd);
	json_decref(t->json);
	*t = (struct queue_task){.fd = -1};
	return -1;
}

int
queue_begin(const char *queue, struct queue_task *t, struct err *e)
{
	struct dirs d = {-1, -1};

	return open_dirs(queue, &d, e) < 0 ? -1 : rewrite(&d, t, true, e);
}

static void
let_go(struct queue_task *t)
{
	file_close(t->fd);
	t->fd = -1;
	json_decref(t->json);
	t->json = NULL;
}

int
queue_done(const char *queue, struct queue_task *t, struct err *e)
{
	struct dirs d = {-1, -1};
	int status = open_dirs(queue, &d, e);

	if (status == 0 && unlinkat(d.running, t->name, 0) < 0 && errno != ENOENT)
		status = err_sys(e, "cannot remove task %s", t->name);
	let_go(t);
	return status;
}

int
queue_return(const char *queue, struct queue_task *t, struct err *e)
{
	struct dirs d = {-1, -1};
	int status = open_dirs(queue, &d, e);

	/* If this cannot be written, it counts as a death, which is better than to keep it. */
	if (status == 0 && set_claimed(t->json, false, NULL) == 0)
		(void)rewrite(&d, t, false, NULL);
	if (status == 0 && renameat(d.running, t->name, d.pending, t->name) < 0)
		status = err_sys(e, "cannot hand back task %s", t->name);
	let_go(t);
	return status;
}

void
queue_drop(struct queue_task *t)
{
	let_go(t);
}

int
queue_path(const char *queue, char *path, size_t size, struct err *e)
{
	struct dirs d = {-1, -1};

	if (open_dirs(queue, &d, e) < 0)
		return -1;
	int n = snprintf(path, size, "%s/queue/%s/pending", home_path(), queue);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ERR_CONFIG, "the path of queue %s is too long", queue);
	return 0;
}
