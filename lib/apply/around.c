/*
 * around - what comes before and after the steps of a plan: directories of ours are opened, renames
 * made durable, and directories get the modes and times that they are to have.  See stage.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/scene.h"
#include "apply/step.h"
#include "base/file.h"
#include "tree/compare.h"

int
stage_plan_open(struct stage *s, struct plan_writer *w, const char *path, struct err *e)
{
	const char *relative = compare_relative(s->resource, path);
	bool lent = *relative == '\0', closed = false;
	struct plan_step step = {.kind = PLAN_OPEN, .path = (char *)(uintptr_t)path};
	struct stat st;

	if (geteuid() == 0 && !lent)
		return 0;
	int fd =
	    file_open_beneath(s->sourcefd, lent ? "." : relative, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0) {
		file_close(fd);
		return 0; /* what is to be done in it will say why */
	}
	if (st.st_uid == geteuid())
		closed = faccessat(fd, ".", W_OK | X_OK, 0) < 0 && errno == EACCES;
	close(fd);
	step.before = (struct entry){.type = 'd', .mode = st.st_mode & 0777, .inode = st.st_ino};
	step.after = (struct entry){.type = 'd', .mode = step.before.mode | (closed ? 0700 : 0)};
	return lent || closed ? plan_add(w, &step, e) : 0;
}

int
stages_unlock(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = step->kind == PLAN_OPEN ? stage_of(t, step->path) : NULL;
		/* Where that is not to be had, what needs it says so. */
		if (s != NULL && step_do(s, step, &why, e) < 0)
			return -1;
	}
	return n;
}

int
stages_in_place(const struct transaction *t, struct err *e)
{
	struct stat now, then;

	for (size_t i = 0; i < t->count; i++) {
		int fd = resource_open(&t->resources[i], NULL);
		bool same = fd >= 0 && fstat(fd, &now) == 0 &&
			    fstat(t->stages[i].sourcefd, &then) == 0 && now.st_ino == then.st_ino &&
			    now.st_dev == then.st_dev;
		file_close(fd);
		if (same)
			continue;
		err_set(e, ERR_BUSY, "%s was moved, or another one is in its place now",
			t->resources[i].source);
		return err_hint(e, "nothing was changed; run it again");
	}
	return 0;
}

int
stages_check(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n, status = 0;

	if (stages_in_place(t, e) < 0)
		return -1;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t, step->path);
		int found = s != NULL ? step_check(s, step, &why, e) : 0;
		if (found < 0)
			return -1;
		if (found > 0)
			apply_report_conflict(t, step->path, why);
		status = found > 0 ? -1 : status;
	}
	return n < 0 ? -1 : status;
}

static int
sync_parent(struct stage *s, const struct plan_step *step, struct err *e)
{
	const char *base;
	int fd = s == NULL
		     ? -1
		     : file_parent_beneath(s->sourcefd, compare_relative(s->resource, step->path),
					   &base, NULL);

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

	for (size_t i = 0; t->steps > SYNC_EACH && i < t->count; i++)
		if (syncfs(t->stages[i].sourcefd))
			return err_sys(e, "cannot sync %s", t->resources[i].source);
	if (t->steps > SYNC_EACH && !t->elsewhere)
		return 0;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0)
		if (step->kind != PLAN_TIMES && step->kind != PLAN_OPEN &&
		    sync_parent(stage_of(t, step->path), step, e) < 0)
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
	if (there && utimensat(p.dirfd, p.name, times, AT_SYMLINK_NOFOLLOW) && !location_not_ours())
		status = err_sys(e, "%s", step->path);
	close(p.dirfd);
	return status;
}

/* Was the directory made open for the moment: by the plan, or because it came back? */
static bool
is_open(const struct plan_step *step, bool done)
{
	bool back =
	    !done && step->before.type == 'd' && (step->kind == PLAN_EMPTY || plan_is_staged(step));

	return (back || step->kind == PLAN_OPEN) && (step->before.mode & 0700) != 0700;
}

/* Close it; or give a directory the mode that it has when all is done, which closing may just have
 * taken away. */
static int
set_directory_mode(struct stage *s, const struct plan_step *step, bool done, struct err *e)
{
	bool opened = is_open(step, done);
	mode_t open = (step->before.mode | 0700) & 0777;
	const char *why;
	struct scene c;
	int status = 0;

	if (!opened && !(done && step->kind == PLAN_MODE && step->before.type == 'd'))
		return 0;
	int found = scene_open(s, step, &c, e);
	/* Whoever changed it since has the last word. */
	if (found > 0 && !opened)
		status = scene_set_mode(&c, step->before.mode, step->after.mode, &why, e);
	else if (found > 0 && (c.path.st.st_mode & 0777) == open)
		status = scene_set_mode(&c, open, step->before.mode, &why, e);
	scene_close(&c);
	return found < 0 || status < 0 ? -1 : 0;
}

int
stages_lock(struct transaction *t, bool done, struct err *e)
{
	struct plan_step *step;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t, step->path);
		if (s != NULL && set_directory_mode(s, step, done, e) < 0)
			return -1;
	}
	return n;
}

int
stages_end(struct transaction *t, bool done, struct err *e)
{
	struct plan_step *step;
	int n;

	if (stages_lock(t, done, e) < 0)
		return -1;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *of = plan_is_last(step) ? stage_of(t, step->path) : NULL;
		if (of && set_directory_time(of, step, done, e) < 0)
			return -1;
	}
	return n;
}
