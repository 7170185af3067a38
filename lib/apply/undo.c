/*
 * apply_undo - turns the plan of an apply that was done round.  See apply_undo.h.
 *
 * Each step becomes the one that takes it back, the last first, so that directories are there
 * before what goes into them and empty before they go.  A directory that comes back with a mode
 * that forbids writing gets that mode at the very end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/report.h"
#include "apply/location.h"
#include "apply/undo.h"
#include "tree/compare.h"
#include "tree/walk.h"
#include "base/file.h"

#define SINCE "changed since it was applied"

struct undoing {
	const struct apply_job *job;
	struct stage *stages;
	size_t count;
	struct plan_writer *writer;
	struct apply_totals *totals;
	int keptfd, freshfd; /* -1: there is none; only tell */
	struct pathset made; /* paths that apply put there */
	struct pathset gone; /* directories that it took away */
};

/* One step that was done, and what there is of it. */
struct deed {
	const struct plan_step *step;
	struct stage *stage;
	struct location now, kept;
	char number[24];
};

static int
refuse(struct undoing *u, const struct deed *d, const char *why)
{
	apply_report_conflict(u->job, d->step->path, why, u->totals);
	return 0;
}

/* Write the step ${kind} that makes ${after} of what is there now. */
static int
emit(struct undoing *u, const struct deed *d, char kind, const struct entry *after, struct err *e)
{
	struct plan_step s = {.kind = kind, .path = d->step->path, .after = *after};
	char number[24];
	location_entry(&d->now, &s.before);
	if (plan_add(u->writer, &s, e))
		return -1;
	snprintf(number, sizeof number, "%" PRIu64, s.number);
	if (!plan_is_staged(&s) || u->freshfd < 0)
		return 0;
	const struct location fresh = {.dirfd = u->freshfd, .name = number};
	if (linkat(u->keptfd, d->number, u->freshfd, number, 0) &&
	    location_copy(&d->kept, &fresh, e))
		return err_add(e, "%s", s.path);
	return 0;
}

static const struct entry nothing = {.type = '-'};

/* What was kept, with what tells it from others; ${target} is room for a link's. */
static int
kept_entry(const struct deed *d, char target[TREE_PATH + 1], struct entry *entry, struct err *e)
{
	if (!d->kept.there) {
		err_set(e, ERR_NOT_FOUND, "the old %s is not kept any more", d->step->path);
		return err_hint(e, "nothing was undone");
	}
	location_entry(&d->kept, entry);
	if (entry->type == 'f')
		return location_hash(&d->kept, entry->sha256)
			   ? err_sys(e, "the old %s", d->step->path)
			   : 0;
	ssize_t n = readlinkat(d->kept.dirfd, d->kept.name, target, TREE_PATH);
	if (n < 0)
		return err_sys(e, "the old %s", d->step->path);
	target[n] = '\0';
	entry->target = target;
	return 0;
}

/* Put the old file back, by a step of kind ${kind} that needs ${as_made}: that what is there now is
 * what apply left there. */
static int
put_back(struct undoing *u, const struct deed *d, char kind, bool as_made, const char *why,
	 struct err *e)
{
	char target[TREE_PATH + 1];
	struct entry old = nothing;
	if (kept_entry(d, target, &old, e))
		return -1;
	if (as_made)
		return emit(u, d, kind, &old, e);
	bool same = location_is_after(&d->now, &old) &&
		    (old.type == 'l' || ((d->now.st.st_mode ^ old.mode) & 0777) == 0);
	return same ? 0 : refuse(u, d, why);
}

static bool
is_directory(const struct location *p)
{
	return p->there && location_type_of(&p->st) == 'd';
}

/* Is what is there now what apply put there?  A script got its x from apply if the peer has none
 * to give. */
static bool
is_as_made(const struct undoing *u, const struct deed *d)
{
	const struct entry *a = &d->step->after;
	if (!location_is_after(&d->now, a))
		return false;
	mode_t more = (d->now.st.st_mode ^ a->mode) & 0777;
	bool script =
	    !u->job->fidelity && d->step->before.type != 'f' && more == (a->mode >> 2 & 0111);
	return a->type == 'l' || more == 0 || script;
}

static int
undo_add(struct undoing *u, const struct deed *d, struct err *e)
{
	if (!d->now.there)
		return 0;
	return is_as_made(u, d) ? emit(u, d, PLAN_REMOVE, &nothing, e) : refuse(u, d, SINCE);
}

static int
undo_change(struct undoing *u, const struct deed *d, struct err *e)
{
	bool as_made = is_as_made(u, d);
	if (d->step->before.type != 'd')
		return put_back(u, d, PLAN_CHANGE, as_made, SINCE, e);
	if (!as_made)
		return is_directory(&d->now) ? 0 : refuse(u, d, SINCE);
	struct entry directory = {.type = 'd', .mode = d->step->before.mode | 0700};
	return emit(u, d, PLAN_CONVERT, &directory, e);
}

static int
undo_directory(struct undoing *u, const struct deed *d, struct err *e)
{
	if (is_directory(&d->now))
		return emit(u, d, PLAN_EMPTY, &nothing, e);
	return d->now.there ? refuse(u, d, SINCE) : 0;
}

/* Is there anything in the directory that apply did not put there? */
static int
has_strangers(struct undoing *u, const struct deed *d, bool *strangers, struct err *e)
{
	char source[2 * TREE_PATH + 2];
	const struct resource *r = d->stage->resource;
	snprintf(source, sizeof source, "%s/%s", r->source, compare_relative(r, d->step->path));
	struct resource inside = {.name = d->step->path, .source = source};
	struct entry *entry;
	int n = 0;
	struct walk *tree = walk_open(&inside, 1, e);
	if (!tree)
		return -1;
	*strangers = false;
	while (!*strangers && (n = walk_next(tree, &entry, e)) > 0)
		*strangers = !pathset_has(&u->made, entry->path);
	walk_close(tree);
	return n < 0 ? -1 : 0;
}

static int
undo_convert(struct undoing *u, const struct deed *d, struct err *e)
{
	bool strangers = false;
	if (is_directory(&d->now) && has_strangers(u, d, &strangers, e))
		return -1;
	if (strangers)
		return refuse(u, d, "files came into it since it was applied");
	return put_back(u, d, PLAN_CHANGE, is_directory(&d->now), SINCE, e);
}

static int
undo_remove(struct undoing *u, const struct deed *d, struct err *e)
{
	return put_back(u, d, PLAN_ADD, !d->now.there, "appeared since it was deleted", e);
}

static int
undo_empty(struct undoing *u, const struct deed *d, struct err *e)
{
	struct entry directory = {.type = 'd', .mode = d->step->before.mode | 0700};
	if (!d->now.there)
		return emit(u, d, PLAN_DIRECTORY, &directory, e);
	return is_directory(&d->now) ? 0 : refuse(u, d, "appeared since it was deleted");
}

static int
undo_mode(struct undoing *u, const struct deed *d, struct err *e)
{
	const struct entry *before = &d->step->before, *after = &d->step->after;
	if (!d->now.there || location_type_of(&d->now.st) != before->type ||
	    ((d->now.st.st_mode ^ before->mode) & 0777) == 0)
		return 0;
	if (((d->now.st.st_mode ^ after->mode) & 0777) != 0)
		return refuse(u, d, "its mode was changed since it was applied");
	return emit(u, d, PLAN_MODE, before, e);
}

static int
undo_times(struct undoing *u, const struct deed *d, struct err *e)
{
	const struct entry *before = &d->step->before;
	struct entry now;
	location_entry(&d->now, &now);
	/* Who touched it since has the last word. */
	if (now.type != before->type || now.mtime != d->step->after.mtime)
		return 0;
	return emit(u, d, PLAN_TIMES, before, e);
}

static const struct {
	char kind;
	int (*undo)(struct undoing *u, const struct deed *d, struct err *e);
} table[] = {
    {PLAN_ADD, undo_add},         {PLAN_CHANGE, undo_change},       {PLAN_MARKED, undo_change},
    {PLAN_CONVERT, undo_convert}, {PLAN_DIRECTORY, undo_directory}, {PLAN_REMOVE, undo_remove},
    {PLAN_EMPTY, undo_empty},     {PLAN_MODE, undo_mode},           {PLAN_TIMES, undo_times},
};

/* Open the directory that the path is in: 1, 0 if there is none (yet), -1. */
static int
look(struct undoing *u, const struct plan_step *step, struct deed *d, struct err *e)
{
	*d = (struct deed){.step = step, .now.dirfd = -1};
	d->stage = stage_of(u->stages, u->count, step->path);
	if (!d->stage)
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	snprintf(d->number, sizeof d->number, "%" PRIu64, step->number);
	d->kept = (struct location){.dirfd = u->keptfd, .name = d->number};
	const char *relative = compare_relative(d->stage->resource, step->path);
	d->now.dirfd =
	    file_parent_beneath(d->stage->sourcefd, *relative ? relative : ".", &d->now.name, e);
	if (d->now.dirfd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return -1;
	if ((u->keptfd >= 0 && location_look(&d->kept)) ||
	    (d->now.dirfd >= 0 && location_look(&d->now)))
		return err_sys(e, "%s", step->path);
	return d->now.dirfd >= 0;
}

/* Will the directory above ${path} be there again when this is undone? */
static bool
is_coming(struct undoing *u, const char *path)
{
	char above[TREE_PATH + 1];
	const char *slash = strrchr(path, '/');
	snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - path) : 0, path);
	return pathset_has(&u->gone, above);
}

static int
turn(struct undoing *u, const struct plan_step *step, struct err *e)
{
	struct deed d;
	size_t i = 0;
	while (i < sizeof table / sizeof table[0] && table[i].kind != step->kind)
		i++;
	if (i == sizeof table / sizeof table[0])
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	int status = look(u, step, &d, e);
	bool restores = step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY ||
			step->kind == PLAN_CHANGE || step->kind == PLAN_MARKED ||
			step->kind == PLAN_CONVERT;
	if (status == 0 && restores && !is_coming(u, step->path))
		refuse(u, &d, "its directory is gone since it was applied");
	else if (status >= 0)
		status = table[i].undo(u, &d, e);
	file_close(d.now.dirfd);
	return status < 0 ? -1 : 0;
}

/* Does it make something come or go? */
static bool
is_move(const struct plan_step *step)
{
	return step->kind != PLAN_MODE && step->kind != PLAN_TIMES;
}

/* The directories that come back get their own mode and time. */
static int
close_directories(struct undoing *u, struct plan *done, struct err *e)
{
	struct plan_step *step;
	struct deed d;
	int n;
	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0) {
		mode_t mode = step->before.mode;
		if (step->before.type != 'd' || !is_move(step))
			continue;
		int status = look(u, step, &d, e);
		file_close(d.now.dirfd);
		if (status < 0)
			return -1;
		if (is_directory(&d.now))
			continue;
		struct plan_step s = {.kind = PLAN_MODE, .path = step->path};
		s.before = (struct entry){.type = 'd', .mode = mode | 0700};
		s.after = (struct entry){.type = 'd', .mode = mode};
		if ((mode & 0700) != 0700 && plan_add(u->writer, &s, e))
			return -1;
		s.kind = PLAN_TIMES;
		s.before.type = '-';
		s.after.mtime = step->before.mtime;
		if (plan_add(u->writer, &s, e))
			return -1;
	}
	return n;
}

static int
turn_all(struct undoing *u, struct plan *done, struct err *e)
{
	struct plan_step *step;
	uint64_t steps;
	int n;
	plan_rewind(done);
	while ((n = plan_next(done, &step, e)) > 0) {
		bool goes = step->before.type == 'd' && is_move(step);
		bool comes = step->kind != PLAN_REMOVE && step->kind != PLAN_EMPTY &&
			     step->kind != PLAN_TIMES;
		if ((goes && pathset_add(&u->gone, step->path, e)) ||
		    (comes && pathset_add(&u->made, step->path, e)))
			return -1;
	}
	if (n < 0 || plan_to_end(done, e))
		return -1;
	while ((n = plan_previous(done, &step, e)) > 0)
		if (turn(u, step, e))
			return -1;
	if (n < 0 || close_directories(u, done, e))
		return -1;
	return plan_finish(u->writer, &steps, e);
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
apply_undo_plan(const struct apply_job *job, struct stage *s, size_t count, int planfd,
		struct apply_totals *totals, struct err *e)
{
	struct undoing u = {.job = job, .stages = s, .count = count, .totals = totals};
	struct plan *done = NULL;
	int status = -1, donefd = -1;
	u.keptfd = u.freshfd = -1;
	u.writer = plan_writer_new(planfd, e);
	if (!u.writer || open_part(job->donefd, "undo", 0, true, &donefd, e) ||
	    open_part(job->donefd, "kept", O_DIRECTORY, false, &u.keptfd, e))
		goto out;
	if (!job->dry && (file_remove_tree(job->statefd, "fresh", e) ||
			  file_make_dirs(job->statefd, "fresh", e) ||
			  (u.freshfd = file_open_dir(job->statefd, "fresh", e)) < 0))
		goto out;
	done = plan_open(donefd, e);
	if (done)
		status = turn_all(&u, done, e);
out:
	plan_close(done);
	file_close(donefd);
	file_close(u.keptfd);
	file_close(u.freshfd);
	pathset_free(&u.made);
	pathset_free(&u.gone);
	plan_writer_free(u.writer);
	return status;
}
