/*
 * undo - reverses the plan of an apply that was done.  See private.h.
 *
 * Each step becomes the one that takes it back, the last first, so that directories are there
 * before what goes into them and empty before they go.  A directory that comes back with a mode
 * that forbids writing gets that mode at the very end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "apply/turn.h"
#include "base/file.h"

/* Does it make something come or go? */
static bool
is_move(const struct plan_step *step)
{
	return step->kind != PLAN_MODE && step->kind != PLAN_TIMES && step->kind != PLAN_OPEN;
}

/* Is it to be undone? */
static bool
is_wanted(const struct undoing *u, const struct plan_step *step)
{
	return selection_has(&u->t->job->only, step->path);
}

/* The directories that come back get their own mode and time. */
static int
close_directories(struct undoing *u, struct plan *done, struct err *e)
{
	struct plan_step *step;
	struct done_step d;
	int n;

	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0) {
		mode_t mode = step->before.mode;
		if (step->before.type != 'd' || !is_move(step) || !is_wanted(u, step))
			continue;
		int status = turn_look(u, step, &d, e);
		file_close(d.now.dirfd);
		if (status < 0)
			return -1;
		if (turn_is_directory(&d.now))
			continue;
		struct plan_step s = {.kind = PLAN_MODE, .path = step->path};
		s.before = (struct entry){.type = 'd', .mode = mode | 0700};
		s.after = (struct entry){.type = 'd', .mode = mode};
		if ((mode & 0700) != 0700 && plan_add(u->writer, &s, e) < 0)
			return -1;
		s.kind = PLAN_TIMES;
		s.before.type = '-';
		s.after.mtime = step->before.mtime;
		if (plan_add(u->writer, &s, e) < 0)
			return -1;
	}
	return n;
}

static int
turn_plan(struct undoing *u, struct plan *done, struct err *e)
{
	struct plan_step *step;
	bool any = u->t->job->only.count == 0;
	int n;

	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0) {
		bool goes = step->before.type == 'd' && is_move(step);
		bool comes = step->kind != PLAN_REMOVE && step->kind != PLAN_EMPTY &&
			     step->kind != PLAN_TIMES && step->kind != PLAN_OPEN;
		bool moves = goes || (step->after.type == 'd' && is_move(step));
		if (!is_wanted(u, step))
			continue;
		any = true;
		if ((goes && pathset_add(&u->gone, step->path, e) < 0) ||
		    (moves && pathset_add(&u->moved, step->path, e) < 0) ||
		    (comes && pathset_add(&u->made, step->path, e) < 0))
			return -1;
	}
	if (n < 0 || plan_to_end(done, e) < 0)
		return -1;
	if (!any)
		return err_set(e, ERR_NOT_FOUND, "nothing of that name was applied");
	while ((n = plan_previous(done, &step, e)) > 0)
		if (is_wanted(u, step) && turn_step(u, step, e) < 0)
			return -1;
	if (n < 0 || close_directories(u, done, e) < 0)
		return -1;
	return plan_finish(u->writer, e);
}

/* Open ${name} in ${dirfd}: -1 with ${required} if it is missing. */
static int
open_part(int dirfd, const char *name, int flags, bool required, int *fd, struct err *e)
{
	*fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
	if (*fd >= 0 || (errno == ENOENT && !required))
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "cannot open what apply kept");
	return err_set(e, ERR_NOT_FOUND, "what apply did is not known any more");
}

int
apply_undo_plan(struct transaction *t, struct err *e)
{
	struct undoing u = {.t = t, .keptfd = -1, .freshfd = -1};
	struct plan *done = NULL;
	int statefd = t->job->statefd, status = -1, donefd = -1;

	u.writer = plan_writer_new(t->planfd, t->token, e);
	if (u.writer == NULL || open_part(t->job->donefd, "undo", 0, true, &donefd, e) < 0 ||
	    open_part(t->job->donefd, "kept", O_DIRECTORY, false, &u.keptfd, e) < 0)
		goto out;
	if (!t->job->dry) {
		if (file_remove_tree(statefd, "fresh", e) < 0 ||
		    (u.freshfd = file_enter_dir(statefd, "fresh", e)) < 0)
			goto out;
	}
	done = plan_open(donefd, e);
	if (done != NULL)
		status = turn_plan(&u, done, e);
out:
	plan_close(done);
	file_close(donefd);
	file_close(u.keptfd);
	file_close(u.freshfd);
	pathset_free(&u.made);
	pathset_free(&u.gone);
	pathset_free(&u.moved);
	pathset_free(&u.opened);
	plan_writer_free(u.writer);
	return status;
}

/* Copy ${done} to ${fd} without the steps that ${only} selects. */
static int
copy_rest(struct plan *done, int fd, const struct selection *only, struct err *e)
{
	static const char none[PLAN_TOKEN + 1] = "0000000000000000";
	const char *token = plan_token(done);
	struct plan_step *step;
	int n;

	struct plan_writer *w = plan_writer_new(fd, *token != '\0' ? token : none, e);
	if (w == NULL)
		return -1;
	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0)
		if (!selection_has(only, step->path) && plan_copy(w, step, e) < 0) {
			n = -1;
			break;
		}
	int status = n < 0 || plan_finish(w, e) < 0 ? -1 : 0;
	plan_writer_free(w);
	return status;
}

static int
drop_kept(struct plan *done, int keptfd, const struct selection *only, struct err *e)
{
	struct plan_step *step;
	char number[24];
	int n;

	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0) {
		snprintf(number, sizeof number, "%" PRIu64, step->number);
		if (selection_has(only, step->path) && unlinkat(keptfd, number, 0) < 0 &&
		    errno != ENOENT)
			return err_sys(e, "cannot remove the old %s", step->path);
	}
	return n;
}

int
apply_forget(int donefd, const struct selection *only, struct err *e)
{
	static const char part[] = "undo.part";
	struct plan *done = NULL;
	int status = -1, planfd = -1, keptfd = -1;

	int fd = openat(donefd, part, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot write the plan");
	if (open_part(donefd, "undo", 0, true, &planfd, e) < 0 ||
	    open_part(donefd, "kept", O_DIRECTORY, false, &keptfd, e) < 0)
		goto out;
	done = plan_open(planfd, e);
	if (done == NULL || copy_rest(done, fd, only, e) < 0)
		goto out;
	if (fsync(fd) < 0 || renameat(donefd, part, donefd, "undo") < 0) {
		err_sys(e, "cannot write the plan");
		goto out;
	}
	if (file_sync_dir(donefd, e) == 0)
		status = keptfd < 0 ? 0 : drop_kept(done, keptfd, only, e);
out:
	plan_close(done);
	file_close(fd);
	file_close(planfd);
	file_close(keptfd);
	return status;
}
