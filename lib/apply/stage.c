/*
 * stage - the directories that an apply works on, and whose they are.  See stage.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/location.h"
#include "apply/stage.h"
#include "base/file.h"
#include "tree/compare.h"

#define STAGE ".awcp/apply"

struct stage *
stage_of(const struct transaction *t, const char *path)
{
	size_t i = compare_resource(t->resources, t->count, path);

	return i < t->count ? &t->stages[i] : NULL;
}

/* Locks are taken in an order that all processes agree on, or two could wait for each other. */
static int
by_inode(const void *a, const void *b)
{
	struct stat x = {0}, y = {0};

	fstat(*(const int *)a, &x);
	fstat(*(const int *)b, &y);
	if (x.st_dev != y.st_dev)
		return x.st_dev < y.st_dev ? -1 : 1;
	return x.st_ino < y.st_ino ? -1 : x.st_ino > y.st_ino;
}

static int
lock_all(const struct transaction *t, struct err *e)
{
	int status = -1;
	int *order = calloc(t->count + 1, sizeof *order);

	if (order == NULL)
		return err_memory(e);
	for (size_t i = 0; i < t->count; i++)
		order[i] = t->stages[i].sourcefd;
	qsort(order, t->count, sizeof *order, by_inode);
	for (size_t i = 0; i < t->count; i++) {
		if (i > 0 && by_inode(&order[i - 1], &order[i]) == 0) {
			err_set(e, ERR_USAGE, "a directory was lent twice");
			goto out;
		}
		while (flock(order[i], LOCK_EX))
			if (errno != EINTR) {
				err_sys(e, "cannot lock a directory that was lent");
				goto out;
			}
	}
	status = 0;
out:
	free(order);
	return status;
}

int
stages_open(struct transaction *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++)
		t->stages[i] =
		    (struct stage){.resource = &t->resources[i],
				   .token = t->token,
				   .sourcefd = -1,
				   .treefd = -1,
				   .oldfd = -1,
				   .dirfd = -1,
				   .bits = t->job->undo,
				   .exact = t->job->undo || (t->job->modes && t->job->fidelity)};
	for (size_t i = 0; i < t->count; i++) {
		t->stages[i].sourcefd = resource_open(&t->resources[i], e);
		if (t->stages[i].sourcefd < 0)
			return -1;
	}
	return t->job->dry ? 0 : lock_all(t, e);
}

static void
close_parts(struct stage *s)
{
	file_close(s->treefd);
	file_close(s->oldfd);
	file_close(s->dirfd);
	s->treefd = s->oldfd = s->dirfd = -1;
}

void
stages_close(struct transaction *t)
{
	for (size_t i = 0; i < t->count; i++) {
		close_parts(&t->stages[i]);
		file_close(t->stages[i].sourcefd);
	}
}

/* Open what an earlier version made: 1, 0 if a part is not there, -1. */
static int
open_parts(struct stage *s, struct err *e)
{
	static const char *const names[] = {STAGE "/tree", STAGE "/old", STAGE "/dir"};
	int *fds[] = {&s->treefd, &s->oldfd, &s->dirfd};
	int all = 1;

	close_parts(s);
	for (size_t i = 0; i < 3; i++) {
		*fds[i] = file_open_beneath(s->sourcefd, names[i], O_RDONLY | O_DIRECTORY, 0, e);
		if (*fds[i] < 0 && errno != ENOENT)
			return -1;
		all = all && *fds[i] >= 0;
	}
	return all;
}

/* Has an earlier version's apply kept anything here? */
static bool
stage_is_used(struct stage *s)
{
	int fd = file_open_beneath(s->sourcefd, STAGE "/old", O_RDONLY | O_DIRECTORY, 0, NULL);
	DIR *d = fd >= 0 ? file_list(fd, ".") : NULL;
	bool used = d != NULL && file_next(&d) != NULL;

	if (d != NULL)
		(void)closedir(d);
	file_close(fd);
	return used;
}

/* Read who owns the stage in the directory: 1, 0 if there is no stage or nobody does, -1. */
static int
read_owner(const struct stage *s, char owner[TREE_PATH + 1], struct err *e)
{
	*owner = '\0';
	int fd = file_open_beneath(s->sourcefd, STAGE "/owner", O_RDONLY, 0, e);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	ssize_t n = file_read(fd, owner, TREE_PATH, e);
	close(fd);
	owner[n > 0 ? n : 0] = '\0';
	return n < 0 ? -1 : n > 0;
}

static int
state_path(int statefd, char path[TREE_PATH + 1], struct err *e)
{
	char link[64];

	snprintf(link, sizeof link, "/proc/self/fd/%d", statefd);
	ssize_t n = readlink(link, path, TREE_PATH);
	if (n < 0)
		return err_sys(e, "cannot find the state directory's path");
	path[n] = '\0';
	return 0;
}

/* Is the directory that was lent still the one that the plan was made for? */
static int
check_lent(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	struct stat st;
	int n = 0;

	if (t->plan == NULL)
		return 0;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = step->kind == PLAN_OPEN ? stage_of(t, step->path) : NULL;
		if (s == NULL || *compare_relative(s->resource, step->path) != '\0')
			continue;
		if (fstat(s->sourcefd, &st) == 0 && st.st_ino == step->before.inode)
			continue;
		err_set(e, ERR_BUSY,
			"%s is not the directory in which an apply was cut off: it was moved, or "
			"another one is in its place",
			s->resource->source);
		return err_hint(e, "put that one back, and run this again");
	}
	return n;
}

int
stages_find(struct transaction *t, struct err *e)
{
	char self[TREE_PATH + 1], owner[TREE_PATH + 1];
	bool old = t->plan != NULL && t->token[0] == '\0';
	int all = 1;

	if (check_lent(t, e) < 0 || state_path(t->job->statefd, self, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++) {
		struct stage *s = &t->stages[i];
		int owned = read_owner(s, owner, e);
		if (owned < 0)
			return -1;
		/* One without an owner was being taken, or given back. */
		s->owned = !owned || strcmp(owner, self) == 0;
		int found = s->owned && old ? open_parts(s, e) : 0;
		if (found < 0)
			return -1;
		all = all && owned && found;
	}
	return all || !old;
}

/* The stage comes and goes in the person's directory, but is no part of it: neither shows in the
 * directory's time, if we may set it. */
static void
keep_time(const struct stage *s, const struct stat *before)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before->st_mtim};

	(void)futimens(s->sourcefd, times);
}

/* Remove the mark, and what an earlier version had there. */
static int
remove_mark(struct stage *s, struct err *e)
{
	struct stat st;

	close_parts(s);
	int top = openat(s->sourcefd, ".awcp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s/.awcp", s->resource->source);
	int status = file_remove_tree(top, "apply", e);
	close(top);
	if (status < 0)
		return -1;
	bool known = fstat(s->sourcefd, &st) == 0;
	/* What else is in it is the person's. */
	if (unlinkat(s->sourcefd, ".awcp", AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
	    errno != EEXIST)
		return err_sys(e, "cannot remove %s/.awcp", s->resource->source);
	if (known)
		keep_time(s, &st);
	return 0;
}

int
stages_remove(struct transaction *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->stages[i].owned && remove_mark(&t->stages[i], e) < 0)
			return -1;
	return 0;
}

/* The directory is somebody's: take it, if that one is not in the midst of its changes.  What it
 * staged before it was cut off, or kept when it was done, is taken care of when its plan is. */
static int
clear_foreign(struct stage *s, const char *owner, const char *self, struct err *e)
{
	int status = -1;

	if (*owner == '\0' || strcmp(owner, self) == 0)
		return 0;
	int fd = open(owner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_set(e, ERR_BUSY, "%s/%s was left by an apply whose state %s is gone",
			s->resource->source, STAGE, owner);
		return err_hint(e, "look for files of yours named " TREE_TEMPORARY
				   "*.old, then remove it");
	}
	if (faccessat(fd, "plan", F_OK, 0) == 0 || faccessat(fd, "rollback", F_OK, 0) == 0) {
		err_set(e, ERR_BUSY, "another apply to %s was cut off: %s", s->resource->source,
			owner);
		err_hint(e, "run that one again first");
		goto out;
	}
	if (stage_is_used(s)) {
		err_set(e, ERR_BUSY, "an apply of an earlier version to %s was cut off: %s",
			s->resource->source, owner);
		err_hint(e, "run that one again first");
		goto out;
	}
	status = remove_mark(s, e);
out:
	close(fd);
	return status;
}

/* Without the right to write there, nothing marks the directory: what is to change lies elsewhere,
 * on a file system of its own. */
static bool
is_closed(void)
{
	return errno == EROFS || errno == EACCES || errno == EPERM;
}

static int
make_mark(struct stage *s, const char *self, struct err *e)
{
	char owner[TREE_PATH + 1];
	struct stat st;

	s->owned = false;
	if (read_owner(s, owner, e) < 0 || clear_foreign(s, owner, self, e) < 0)
		return -1;
	s->owned = true;
	bool known = fstat(s->sourcefd, &st) == 0;
	if (file_make_dirs(s->sourcefd, STAGE, e) < 0)
		return is_closed() ? 0 : -1;
	if (known)
		keep_time(s, &st);
	int top = file_open_beneath(s->sourcefd, STAGE, O_RDONLY | O_DIRECTORY, 0, e);
	if (top < 0)
		return -1;
	int status = file_replace(top, "owner", self, strlen(self), true, e);
	close(top);
	return status;
}

int
stages_make(struct transaction *t, struct err *e)
{
	char self[TREE_PATH + 1];

	if (state_path(t->job->statefd, self, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		if (make_mark(&t->stages[i], self, e) < 0)
			return err_add(e, "cannot prepare %s", t->resources[i].source);
	return 0;
}
