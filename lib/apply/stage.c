/*
 * stage - where an apply keeps the new until it is applied, and the old from then on.  See stage.h.
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
#include "tree/compare.h"
#include "base/file.h"

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
		t->stages[i] = (struct stage){&t->resources[i], -1, -1, -1, -1, false};
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

/* Open the parts: 1, 0 if one is not there, -1. */
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

int
stages_find(struct transaction *t, struct err *e)
{
	char self[TREE_PATH + 1], owner[TREE_PATH + 1];
	int all = 1;

	if (state_path(t->job->statefd, self, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++) {
		struct stage *s = &t->stages[i];
		int owned = read_owner(s, owner, e);
		if (owned < 0)
			return -1;
		/* A stage without an owner was being made, or removed. */
		s->owned = !owned || strcmp(owner, self) == 0;
		int found = s->owned ? open_parts(s, e) : 0;
		if (found < 0)
			return -1;
		all = all && owned && found;
	}
	return all;
}

/* The stage comes and goes in the person's directory, but is no part of it: neither shows in the
 * directory's time, if we may set it. */
static void
keep_time(const struct stage *s, const struct stat *before)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before->st_mtim};

	(void)futimens(s->sourcefd, times);
}

static int
move_one(int oldfd, int keptfd, const char *name, struct err *e)
{
	if (renameat(oldfd, name, keptfd, name) == 0)
		return 0;
	if (errno != EXDEV)
		return err_sys(e, "cannot keep the old file %s", name);
	const struct location old = {.dirfd = oldfd, .name = name};
	const struct location kept = {.dirfd = keptfd, .name = name};
	if (location_copy(&old, &kept, e) < 0)
		return err_add(e, "cannot keep an old file");
	if (unlinkat(oldfd, name, 0))
		return err_sys(e, "cannot remove the old file %s", name);
	return 0;
}

static int
move_old(int oldfd, int statefd, struct err *e)
{
	int status = -1, keptfd = -1;

	DIR *d = file_list(oldfd, ".");
	if (d == NULL)
		return err_sys(e, "cannot read the stage");
	for (const char *name; (name = file_next(&d)) != NULL;) {
		if (name[0] == '.')
			continue;
		if (keptfd < 0) {
			if (file_make_dirs(statefd, "kept", e) < 0)
				goto out;
			keptfd = file_open_dir(statefd, "kept", e);
			if (keptfd < 0)
				goto out;
		}
		if (move_one(oldfd, keptfd, name, e) < 0)
			goto out;
	}
	status = keptfd < 0 ? 0 : file_sync_dir(keptfd, e);
out:
	file_close(keptfd);
	if (d != NULL)
		(void)closedir(d);
	return status;
}

/* Move the old files that ${s} has into kept/ of ${statefd}. */
static int
keep_old(const struct stage *s, int statefd, struct err *e)
{
	return s->owned && s->oldfd >= 0 ? move_old(s->oldfd, statefd, e) : 0;
}

int
stages_keep(struct transaction *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++)
		if (keep_old(&t->stages[i], t->job->statefd, e) < 0)
			return -1;
	return 0;
}

static int
remove_stage(struct stage *s, struct err *e)
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
	if (stages_keep(t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		if (t->stages[i].owned && remove_stage(&t->stages[i], e) < 0)
			return -1;
	return 0;
}

/* The stage is somebody's: clear it away, if nothing of ours can be in it. */
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
		return err_hint(e, "look for files of yours in its old/, then remove it");
	}
	if (faccessat(fd, "plan", F_OK, 0) == 0 || faccessat(fd, "rollback", F_OK, 0) == 0) {
		err_set(e, ERR_BUSY, "another apply to %s was cut off: %s", s->resource->source,
			owner);
		err_hint(e, "run that one again first");
		goto out;
	}
	if (open_parts(s, e) < 0)
		goto out;
	s->owned = true;
	if (keep_old(s, fd, e) == 0)
		status = remove_stage(s, e);
out:
	close(fd);
	return status;
}

static int
make_parts(int top, const char *self, struct err *e)
{
	static const char *const parts[] = {"tree", "old", "dir"};

	for (size_t i = 0; i < 3; i++)
		if (file_remove_tree(top, parts[i], e) < 0 || file_make_dirs(top, parts[i], e) < 0)
			return -1;
	return file_replace(top, "owner", self, strlen(self), true, e);
}

static int
make_stage(struct stage *s, const char *self, struct err *e)
{
	char owner[TREE_PATH + 1];
	struct stat st;

	s->owned = false;
	if (read_owner(s, owner, e) < 0 || clear_foreign(s, owner, self, e) < 0)
		return -1;
	s->owned = true;
	bool known = fstat(s->sourcefd, &st) == 0;
	if (file_make_dirs(s->sourcefd, STAGE, e) < 0)
		return -1;
	if (known)
		keep_time(s, &st);
	int top = file_open_beneath(s->sourcefd, STAGE, O_RDONLY | O_DIRECTORY, 0, e);
	if (top < 0)
		return -1;
	int status = make_parts(top, self, e);
	close(top);
	if (status < 0)
		return -1;
	return open_parts(s, e) > 0 ? 0 : -1;
}

int
stages_make(struct transaction *t, struct err *e)
{
	char self[TREE_PATH + 1];

	if (state_path(t->job->statefd, self, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		if (make_stage(&t->stages[i], self, e) < 0)
			return err_add(e, "cannot prepare %s", t->resources[i].source);
	return 0;
}
