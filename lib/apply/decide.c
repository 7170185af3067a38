/*
 * decide - decides, path by path, what an apply will do.  See apply.h for the rule.
 *
 * Three sorted streams are merged: base and theirs (by compare) and ours (a walk).  Only paths that
 * differ between base and theirs are looked at closely, and only those of ours that do not bear
 * the time stamps of the manifest are read.
 *
 * What becomes of a directory is known when all below it was seen, so a stack of frames holds the
 * directories that the merge is in.  A directory that they deleted goes only if nothing of ours
 * stays in it; one that they replaced by a file is a conflict if something would.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "apply/rule.h"
#include "apply/stage.h"
#include "base/array.h"
#include "base/file.h"

/* Look at our directory ${path}, which is to go: are there names in it that the walk left out?  Its
 * ${mode} gets all bits, for who brings it back. */
static int
has_hidden(struct planner *p, const char *path, uint64_t seen, bool *hidden, mode_t *mode,
	   struct err *e)
{
	struct stat st;
	size_t i = compare_resource(p->t->resources, p->t->count, path);
	int fd =
	    file_open_beneath(p->t->stages[i].sourcefd, compare_relative(&p->t->resources[i], path),
			      O_RDONLY | O_DIRECTORY, 0, e);

	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		err_sys(e, "%s", path);
		file_close(fd);
		return -1;
	}
	if (fstat(fd, &st) == 0)
		*mode = st.st_mode & 07777;
	uint64_t names = 0;
	while (readdir(d))
		names++;
	closedir(d);
	*hidden = names > seen + 2;
	return 0;
}

/* The time of a directory in which something came or went is planned, for undo, and set. */
static int
plan_time(struct planner *p, const struct frame *f, struct err *e)
{
	bool here = f->here && (f->fate == STAYS || f->remains);
	struct plan_step s = {.kind = PLAN_TIMES, .path = p->path};

	if (here ? !f->dirty && !f->retimed : !f->made || f->file)
		return 0;
	s.after = (struct entry){.type = 'd', .mtime = f->mtime};
	if (here)
		s.before = f->before;
	return rule_emit(p, &s, e);
}

/* The innermost directory is done: say what becomes of it. */
static int
leave_directory(struct planner *p, struct err *e)
{
	struct frame *f = &p->frames[p->depth - 1];
	bool stays;
	int status = -1;

	p->path[f->length] = '\0';
	f->step.path = p->path;
	f->step.after.target = f->target;
	if (f->fate != STAYS && !f->remains &&
	    has_hidden(p, p->path, f->seen, &f->remains, &f->step.before.mode, e) < 0)
		goto out;
	if (f->fate == PLAN_CHANGE && f->remains) {
		apply_settle_conflict(p->t, p->path,
				      "a file there, a directory with files of yours here", NULL);
	} else if (f->step.kind && !(f->fate == PLAN_EMPTY && f->remains)) {
		if (rule_emit(p, &f->step, e) < 0)
			goto out;
	}
	status = plan_time(p, f, e);
out:
	stays = f->here && (f->fate == STAYS || f->remains);
	free(f->target);
	p->depth--;
	if (stays && p->depth > 0)
		p->frames[p->depth - 1].remains = true;
	return status;
}

static int
enter_directory(struct planner *p, const struct frame *f, struct err *e)
{
	struct frame *frames = array_grow(p->frames, p->depth + 1, &p->cap, sizeof *frames, e);
	if (frames == NULL)
		return -1;
	p->frames = frames;
	struct frame *above = p->depth > 0 ? &p->frames[p->depth - 1] : NULL, *new;
	new = &p->frames[p->depth++];
	*new = *f;
	new->doomed = new->doomed || (above && above->doomed);
	new->kept = new->kept || (above && above->kept);
	return 0;
}

/* Leave the directories that ${path} is not in, and enter those that have no entry. */
static int
go_to(struct planner *p, const char *path, struct err *e)
{
	size_t n = strlen(path);

	if (n > TREE_PATH)
		return err_set(e, ERR_BAD_DATA, "a path of %zu bytes", n);
	while (p->depth > 0) {
		size_t length = p->frames[p->depth - 1].length;
		if (strncmp(p->path, path, length) == 0 && path[length] == '/')
			break;
		if (leave_directory(p, e) < 0)
			return -1;
	}
	size_t from = p->depth > 0 ? p->frames[p->depth - 1].length + 1 : 0;
	memcpy(p->path, path, n + 1);
	for (const char *s = strchr(path + from, '/'); s; s = strchr(s + 1, '/')) {
		struct frame f = {.length = (size_t)(s - path),
				  .mode = rule_directory_mode(p, NULL),
				  .mtime = p->now};
		if (enter_directory(p, &f, e) < 0)
			return -1;
	}
	return 0;
}

static int
visit_path(struct planner *p, const struct sides *v, struct err *e)
{
	const struct entry *sides[] = {v->base, v->theirs, v->ours};
	bool directory = false, gone = false;

	for (size_t i = 0; i < 3; i++)
		directory = directory || (sides[i] && sides[i]->type == 'd');
	if (go_to(p, v->path, e) < 0)
		return -1;
	if (v->ours && p->depth > 0)
		p->frames[p->depth - 1].seen++;
	struct frame f = {.length = strlen(v->path), .here = v->ours && v->ours->type == 'd'};
	f.mode = rule_directory_mode(p, v->theirs && v->theirs->type == 'd' ? v->theirs : NULL);
	rule_directory_time(p, v, &f);
	int held = rule_hold_guarded(p, v, &f, e);
	if (held < 0 || (held == 0 && rule_decide(p, v, &f, &gone, e) < 0)) {
		free(f.target);
		return -1;
	}
	bool stays = v->ours && !f.here && !gone;
	if (stays && p->depth > 0)
		p->frames[p->depth - 1].remains = true;
	f.remains = stays;
	if (v->ours)
		f.before = *v->ours;
	return directory ? enter_directory(p, &f, e) : 0;
}

/* Merge what compare says with the walk. */
static int
merge_sides(struct planner *p, struct err *e)
{
	struct sides two = {0};
	struct entry *ours = NULL;
	int left = 1, right = 1;
	bool left_shown = true, right_shown = true;

	for (;;) {
		if (left > 0 && left_shown)
			left = compare_next(p->compare, &two.base, &two.theirs, e);
		if (left >= 0 && right > 0 && right_shown)
			right = walk_next(p->walk, &ours, e);
		if (left < 0 || right < 0)
			return -1;
		if (left == 0 && right == 0)
			break;
		const struct entry *known = left == 0 ? NULL : two.base ? two.base : two.theirs;
		int order = known == NULL ? 1
			    : right == 0  ? -1
					  : tree_order(known->path, ours->path);
		left_shown = order <= 0;
		right_shown = order >= 0;
		struct sides v = {.path = order <= 0 ? known->path : ours->path};
		v.ours = order >= 0 ? ours : NULL;
		if (order <= 0) {
			v.base = two.base;
			v.theirs = two.theirs;
			v.delta = compare_delta(v.base, v.theirs, p->job->fidelity, p->job->times);
			v.guarded = compare_guarded(p->compare);
		}
		if (visit_path(p, &v, e) < 0)
			return -1;
	}
	while (p->depth > 0)
		if (leave_directory(p, e) < 0)
			return -1;
	return 0;
}

/* When the manifest was begun: a file that was changed in the same tick of the clock as it was
 * read cannot be told by its time stamps. */
static int64_t
manifest_born(int fd)
{
	const int64_t tick = 20 * 1000 * 1000;
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) || !(sx.stx_mask & STATX_BTIME))
		return INT64_MAX;
	return (int64_t)sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec - tick;
}

/* A peer that sends nothing at all of a directory did not empty it: it sent something else. */
static int
check_returned(const struct planner *p, struct err *e)
{
	for (size_t i = 0; i < p->t->count; i++) {
		if (compare_returned(p->compare, i))
			continue;
		err_set(e, ERR_BAD_DATA, "the snapshot has no folder %s", p->t->resources[i].name);
		return err_hint(e, "it would delete the whole directory");
	}
	return 0;
}

int
apply_decide(struct transaction *t, struct err *e)
{
	struct planner p = {.t = t, .job = t->job};
	struct timespec now;
	int status = -1;

	p.fresh = manifest_born(t->job->theirs->base->manifestfd);
	clock_gettime(CLOCK_REALTIME, &now);
	p.now = tree_time(now);
	p.compare = compare_open(t->job->theirs, t->resources, t->count, GUARD_ASK, e);
	if (p.compare == NULL)
		goto out;
	p.walk = walk_open(t->resources, t->count, e);
	if (p.walk == NULL)
		goto out;
	p.writer = plan_writer_new(t->planfd, t->token, e);
	if (p.writer == NULL)
		goto out;
	if (merge_sides(&p, e) < 0 || check_returned(&p, e) < 0)
		goto out;
	apply_report_withheld(t, p.compare);
	status = plan_finish(p.writer, e);
out:
	while (p.depth > 0)
		free(p.frames[--p.depth].target);
	free(p.frames);
	plan_writer_free(p.writer);
	walk_close(p.walk);
	compare_close(p.compare);
	return status;
}
