/*
 * fill - puts the new files on the stage, makes things durable, and sets what comes last.  See
 * stage.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply/location.h"
#include "apply/stage.h"
#include "tree/compare.h"
#include "base/file.h"
#include "archive/unpack.h"

/* Up to so many files are synced one by one; for more the whole file system is. */
#define SYNC_EACH 256

/* If the new content for ${step} is in fresh/ put it on the stage: 1, 0 if it is not, -1. */
static int
place_fresh(struct stage *s, int freshfd, const struct plan_step *step, struct err *e)
{
	char number[24], parent[TREE_PATH + 1];

	snprintf(number, sizeof number, "%" PRIu64, step->number);
	if (freshfd < 0 || faccessat(freshfd, number, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	const char *slash = strrchr(step->path, '/');
	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - step->path) : 0, step->path);
	if (*parent && file_make_dirs(s->treefd, parent, e) < 0)
		return -1;
	const struct location fresh = {.dirfd = freshfd, .name = number};
	struct location staged = {0};
	staged.dirfd = file_parent_beneath(s->treefd, step->path, &staged.name, e);
	if (staged.dirfd < 0)
		return -1;
	int status = 1;
	/* A link keeps the very file; it can only be copied to another file system. */
	if (linkat(freshfd, number, staged.dirfd, staged.name, 0) &&
	    location_copy(&fresh, &staged, e) < 0)
		status = -1;
	else if (file_sync_dir(staged.dirfd, e) < 0)
		status = -1;
	close(staged.dirfd);
	return status;
}

/* Stage what is in fresh/; ${rest} are the other paths. */
static int
place_all_fresh(struct transaction *t, struct pathset *rest, struct err *e)
{
	struct plan_step *step;
	int n;
	int freshfd =
	    openat(t->job->statefd, "fresh", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (freshfd < 0 && errno != ENOENT)
		return err_sys(e, "cannot open what was merged or kept");
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		if (!plan_is_staged(step))
			continue;
		int placed = place_fresh(stage_of(t, step->path), freshfd, step, e);
		if (placed < 0 || (placed == 0 && pathset_add(rest, step->path, e) < 0)) {
			n = -1;
			break;
		}
	}
	file_close(freshfd);
	return n < 0 ? -1 : file_remove_tree(t->job->statefd, "fresh", e);
}

/* What else is attached to the old file (an ACL, say) goes over to the new one, as far as the
 * system lets us: it is no part of what was sent. */
static void
copy_attributes(int from, int to)
{
	char names[4096], value[4096];
	ssize_t n = flistxattr(from, names, sizeof names);

	for (char *name = names; name < names + (n > 0 ? n : 0); name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, sizeof value);
		if (size >= 0)
			(void)fsetxattr(to, name, value, (size_t)size, 0);
	}
}

static bool
is_script(int fd)
{
	char head[2];

	return pread(fd, head, 2, 0) == 2 && memcmp(head, "#!", 2) == 0;
}

/* Give a staged file its final look. */
static int
finish_file(const struct transaction *t, const struct plan_step *step, int fd, struct err *e)
{
	const struct apply_job *job = t->job;
	const struct stage *s = stage_of(t, step->path);
	struct stat st;
	mode_t mode = step->after.mode & 0777;

	if (fstat(fd, &st))
		return err_sys(e, "%s", step->path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != step->after.size)
		return err_set(e, ERR_BAD_DATA, "the archive has another %s than its list",
			       step->path);
	if (!job->fidelity && step->before.type != 'f' && is_script(fd))
		mode |= mode >> 2 & 0111;
	if (step->before.type == 'f') {
		int old = file_open_beneath(s->sourcefd, compare_relative(s->resource, step->path),
					    O_RDONLY | O_NONBLOCK, 0, NULL);
		if (old >= 0)
			copy_attributes(old, fd);
		file_close(old);
	}
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	if (job->times)
		times[1] = tree_timespec(step->after.mtime);
	if (fchmod(fd, mode) || futimens(fd, times) || (t->steps <= SYNC_EACH && fsync(fd)))
		return err_sys(e, "%s", step->path);
	return 0;
}

/* Give what is staged for ${step} its final look. */
static int
finish_staged(const struct transaction *t, const struct plan_step *step, struct err *e)
{
	const char *base;
	struct stat st;
	int status = -1, fd = -1;

	int parent = file_parent_beneath(stage_of(t, step->path)->treefd, step->path, &base, e);
	if (parent < 0 || fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		err_set(e, ERR_BAD_DATA, "the archive lacks %s", step->path);
		goto out;
	}
	if (step->after.type == 'l') {
		if (S_ISLNK(st.st_mode))
			status = 0;
		else
			err_set(e, ERR_BAD_DATA, "%s is not a symbolic link", step->path);
		goto out;
	}
	fd = openat(parent, base, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(parent, base, 0600, 0) == 0)
		fd = openat(parent, base, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "%s", step->path);
	else
		status = finish_file(t, step, fd, e);
out:
	file_close(fd);
	file_close(parent);
	return status;
}

/* Note what of ${paths} is not on the stage: a file whose content is as it was sent. */
static int
find_sent(struct transaction *t, struct pathset *paths, struct pathset *sent, struct err *e)
{
	struct plan_step *step;
	struct stat st;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		const char *base;
		struct stage *of = stage_of(t, step->path);
		if (!plan_is_staged(step) || !pathset_has(paths, step->path))
			continue;
		int parent = file_parent_beneath(of->treefd, step->path, &base, NULL);
		bool there = parent >= 0 && fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) == 0;
		file_close(parent);
		if (!there && pathset_add(sent, step->path, e) < 0)
			return -1;
	}
	return n;
}

static int
stage_archive(struct transaction *t, int archivefd, struct pathset *paths, struct err *e)
{
	for (size_t i = 0; paths->count > 0 && i < t->count; i++)
		if (unpack_paths(archivefd, t->stages[i].treefd, paths, &t->resources[i], e) < 0)
			return -1;
	return 0;
}

/* Stage ${paths} from the archives, and give all of the stage its final look. */
static int
fill_from_archives(struct transaction *t, struct pathset *paths, struct err *e)
{
	struct pathset sent = {0};
	struct plan_step *step;
	int n = -1;

	if (stage_archive(t, t->job->theirs->archivefd, paths, e) < 0 ||
	    find_sent(t, paths, &sent, e) < 0 ||
	    stage_archive(t, t->job->theirs->base->archivefd, &sent, e) < 0)
		goto out;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0)
		if (plan_is_staged(step) && finish_staged(t, step, e) < 0) {
			n = -1;
			break;
		}
out:
	pathset_free(&sent);
	return n;
}

int
stages_fill(struct transaction *t, struct err *e)
{
	struct pathset rest = {0};
	int status = -1;

	if (place_all_fresh(t, &rest, e) < 0)
		goto out;
	if (t->job->undo && rest.count > 0) {
		err_set(e, ERR_INTERNAL, "a kept file was not staged");
		goto out;
	}
	/* What an undo puts back is as it was kept. */
	if (!t->job->undo && fill_from_archives(t, &rest, e) < 0)
		goto out;
	for (size_t i = 0; t->steps > SYNC_EACH && i < t->count; i++)
		if (syncfs(t->stages[i].treefd) < 0) {
			err_sys(e, "cannot sync %s", t->resources[i].source);
			goto out;
		}
	status = 0;
out:
	pathset_free(&rest);
	return status;
}

static int
sync_parent(struct stage *s, const struct plan_step *step, struct err *e)
{
	const char *base;
	int fd = file_parent_beneath(s->sourcefd, compare_relative(s->resource, step->path), &base,
				     NULL);

	/* A directory that is gone needs no sync of its own: the one above gets it. */
	if (fd < 0)
		return 0;
	int status = file_sync_dir(fd, e);
	close(fd);
	return status;
}

int
stages_sync(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	int n = 0;

	if (t->steps > SYNC_EACH) {
		for (size_t i = 0; i < t->count; i++)
			if (syncfs(t->stages[i].sourcefd))
				return err_sys(e, "cannot sync %s", t->resources[i].source);
		return 0;
	}
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0)
		if (step->kind != PLAN_TIMES && sync_parent(stage_of(t, step->path), step, e) < 0)
			return -1;
	return n;
}

/* Set the time of a directory. */
static int
set_directory_time(struct stage *s, const struct plan_step *step, bool done, struct err *e)
{
	const struct entry *to = done ? &step->after : &step->before;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tree_timespec(to->mtime)};
	const char *relative = compare_relative(s->resource, step->path);
	struct location p = {.dirfd = -1};
	int status = 0;

	if (to->type != 'd')
		return 0;
	p.dirfd = file_parent_beneath(s->sourcefd, *relative ? relative : ".", &p.name, e);
	if (p.dirfd < 0)
		return location_is_gone() ? 0 : -1;
	bool there = location_look(&p) == 0 && p.there && tree_type(p.st.st_mode) == 'd';
	if (there && utimensat(p.dirfd, p.name, times, AT_SYMLINK_NOFOLLOW) && errno != EPERM)
		status = err_sys(e, "%s", step->path);
	close(p.dirfd);
	return status;
}

int
stages_end(struct transaction *t, bool done, struct err *e)
{
	struct plan_step *step;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *of = plan_is_last(step) ? stage_of(t, step->path) : NULL;
		if (of && set_directory_time(of, step, done, e) < 0)
			return -1;
	}
	return n;
}
