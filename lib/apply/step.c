/*
 * apply_step - does and undoes one step of a plan.  See apply_step.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/location.h"
#include "apply/step.h"
#include "tree/compare.h"
#include "base/file.h"

#define CHANGED "changed while it was compared"

/* The places that a step moves things between. */
struct scene {
	const struct plan_step *step;
	struct location path;   /* in the person's directory */
	struct location staged; /* the new, for kinds A and C; dirfd -1 else */
	struct location old;    /* where the old is kept */
	struct location made;   /* the new directory, for kind X */
	char number[24];
};

static int
fail(const struct scene *c, struct err *e)
{
	return err_sys(e, "%s", c->step->path);
}

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return 1;
}

/* location_move_free() was cut off between its link and its unlink: take one of the two names away.
 */
static int
drop(struct scene *c, struct location *p, struct err *e)
{
	p->there = false;
	return unlinkat(p->dirfd, p->name, 0) ? fail(c, e) : 0;
}

static int
do_add(struct scene *c, const char **why, struct err *e)
{
	if (!c->staged.there)
		return 0;
	if (location_same_file(&c->staged, &c->path))
		return drop(c, &c->staged, e);
	if (!c->path.there && location_move_free(&c->staged, &c->path) == 0)
		return 0;
	if (c->path.there || errno == EEXIST)
		return refuse(why, "appeared while it was compared");
	return fail(c, e);
}

static int
undo_add(struct scene *c, const char **why, struct err *e)
{
	if (c->staged.there)
		return location_same_file(&c->staged, &c->path) ? drop(c, &c->path, e) : 0;
	if (!c->path.there)
		return 0;
	if (!location_is_after(&c->path, &c->step->after))
		return refuse(why, "changed since it was added");
	return location_move_free(&c->path, &c->staged) ? fail(c, e) : 0;
}

/* New and old are exchanged: put the old where it is kept, or back if it is not what it should be.
 */
static int
finish_change(struct scene *c, const char **why, struct err *e)
{
	bool right;
	if (location_look(&c->staged))
		return fail(c, e);
	right = location_is_before(&c->staged, &c->step->before, false);
	if (right && c->step->before.type == 'd') {
		if (unlinkat(c->staged.dirfd, c->staged.name, AT_REMOVEDIR) == 0)
			return 0;
		right = errno != ENOTEMPTY && errno != EEXIST;
		if (right)
			return fail(c, e);
	} else if (right) {
		return location_move_over(&c->staged, &c->old) ? fail(c, e) : 0;
	}
	return location_exchange(&c->staged, &c->path) ? fail(c, e) : refuse(why, CHANGED);
}

/* Where names cannot be exchanged. */
static int
change_by_link(struct scene *c, const char **why, struct err *e)
{
	if (c->step->before.type == 'd') {
		if (unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR)) {
			if (errno == ENOTEMPTY || errno == EEXIST)
				return refuse(why, CHANGED);
			return fail(c, e);
		}
		return location_move_free(&c->staged, &c->path) ? fail(c, e) : 0;
	}
	if (!location_same_file(&c->old, &c->path)) {
		if (linkat(c->path.dirfd, c->path.name, c->old.dirfd, c->old.name, 0) &&
		    location_move_over(&c->path, &c->old))
			return fail(c, e);
		if (location_look(&c->old))
			return fail(c, e);
	}
	if (!location_is_before(&c->old, &c->step->before, false)) {
		if (location_move_free(&c->old, &c->path) && errno != EEXIST)
			return fail(c, e);
		return refuse(why, CHANGED);
	}
	return location_move_over(&c->staged, &c->path) ? fail(c, e) : 0;
}

static int
do_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	if (!c->staged.there)
		return 0;
	if (location_same_file(&c->staged, &c->path))
		return drop(c, &c->staged, e);
	if (location_is_before(&c->staged, before, false))
		return finish_change(c, why, e);
	if (!c->path.there && (before->type == 'd' || location_is_before(&c->old, before, false)))
		return location_move_free(&c->staged, &c->path) ? fail(c, e) : 0;
	if (!location_is_before(&c->path, before, !location_same_file(&c->path, &c->old)))
		return refuse(why, CHANGED);
	if (location_exchange(&c->staged, &c->path) == 0)
		return finish_change(c, why, e);
	return location_not_supported() ? change_by_link(c, why, e) : fail(c, e);
}

static int
make_directory(struct scene *c, mode_t mode, struct err *e)
{
	if (mkdirat(c->path.dirfd, c->path.name, 0700) && errno != EEXIST)
		return fail(c, e);
	if (fchmodat(c->path.dirfd, c->path.name, mode & 07777, AT_SYMLINK_NOFOLLOW))
		return fail(c, e);
	return 0;
}

static int
undo_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	bool directory = before->type == 'd';
	if (location_same_file(&c->staged, &c->path) && drop(c, &c->path, e))
		return -1;
	if (c->staged.there && !location_is_before(&c->staged, before, false)) {
		if (!c->path.there && directory)
			return make_directory(c, before->mode, e);
		if (!c->path.there && c->old.there)
			return location_move_free(&c->old, &c->path) ? fail(c, e) : 0;
		return 0;
	}
	if (location_is_before(&c->path, before, false) && !c->old.there)
		return 0;
	if (c->path.there && !location_is_after(&c->path, &c->step->after))
		return refuse(why, "changed since it was applied");
	if (c->staged.there)
		return location_exchange(&c->staged, &c->path) ? fail(c, e) : 0;
	if (!directory)
		return location_move_over(&c->old, &c->path) ? fail(c, e) : 0;
	if (c->path.there && location_move_free(&c->path, &c->staged))
		return fail(c, e);
	return make_directory(c, before->mode, e);
}

static int
do_directory(struct scene *c, const char **why, struct err *e)
{
	if (c->path.there && location_type_of(&c->path.st) != 'd')
		return refuse(why, "appeared while it was compared");
	/* The group of what is made here goes on downwards, as mkdir(2) has it. */
	struct stat above;
	mode_t group = fstat(c->path.dirfd, &above) == 0 ? above.st_mode & S_ISGID : 0;
	return make_directory(c, c->step->after.mode | group, e);
}

static int
undo_directory(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	/* Somebody keeps things in it by now: then it stays. */
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? 0 : fail(c, e);
}

static int
do_convert(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	mode_t mode = c->step->after.mode & 07777;
	if (c->old.there) {
		if (c->path.there && location_type_of(&c->path.st) != 'd')
			return refuse(why, CHANGED);
		return make_directory(c, mode, e);
	}
	if (!c->made.there && mkdirat(c->made.dirfd, c->made.name, 0700))
		return fail(c, e);
	if (!location_is_before(&c->made, before, false)) {
		if (!location_is_before(&c->path, before, true))
			return refuse(why, CHANGED);
		if (fchmodat(c->made.dirfd, c->made.name, mode, 0))
			return fail(c, e);
		if (location_exchange(&c->made, &c->path)) {
			if (!location_not_supported() || location_move_over(&c->path, &c->old))
				return fail(c, e);
			return location_move_free(&c->made, &c->path) ? fail(c, e) : 0;
		}
		if (location_look(&c->made))
			return fail(c, e);
		if (!location_is_before(&c->made, before, false))
			return location_exchange(&c->made, &c->path) ? fail(c, e)
								     : refuse(why, CHANGED);
	}
	return location_move_over(&c->made, &c->old) ? fail(c, e) : 0;
}

static int
undo_convert(struct scene *c, const char **why, struct err *e)
{
	if (location_is_before(&c->made, &c->step->before, false))
		return location_exchange(&c->made, &c->path) ? fail(c, e) : 0;
	if (!c->old.there)
		return 0;
	if (location_same_file(&c->old, &c->path))
		return drop(c, &c->old, e);
	if (c->path.there && unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR)) {
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			return refuse(why, "changed since it was applied");
		return fail(c, e);
	}
	return location_move_free(&c->old, &c->path) ? fail(c, e) : 0;
}

static int
do_remove(struct scene *c, const char **why, struct err *e)
{
	if (!c->path.there || c->old.there)
		return 0;
	if (!location_is_before(&c->path, &c->step->before, true))
		return refuse(why, CHANGED);
	if (location_move_over(&c->path, &c->old) || location_look(&c->old))
		return fail(c, e);
	if (location_is_before(&c->old, &c->step->before, false))
		return 0;
	if (location_move_free(&c->old, &c->path) && errno != EEXIST)
		return fail(c, e);
	return refuse(why, CHANGED);
}

static int
undo_remove(struct scene *c, const char **why, struct err *e)
{
	if (location_same_file(&c->old, &c->path))
		return drop(c, &c->old, e);
	if (!c->old.there || location_move_free(&c->old, &c->path) == 0)
		return 0;
	return errno == EEXIST ? refuse(why, "appeared since it was deleted") : fail(c, e);
}

static int
do_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	/* Something of ours came into it: then it stays, as if we had seen it before. */
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? 0 : fail(c, e);
}

static int
undo_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return c->path.there ? 0 : make_directory(c, c->step->before.mode, e);
}

static int
set_mode(struct scene *c, mode_t from, mode_t to, const char **why, struct err *e)
{
	if (!c->path.there || location_type_of(&c->path.st) != c->step->before.type)
		return refuse(why, CHANGED);
	mode_t now = c->path.st.st_mode & 0777;
	if (now == (to & 0777))
		return 0;
	if (now != (from & 0777))
		return refuse(why, CHANGED);
	/* What is no part of what is sent stays as it is: a directory's setgid, say. */
	to = (to & 0777) | (c->path.st.st_mode & 07000);
	if (fchmodat(c->path.dirfd, c->path.name, to, AT_SYMLINK_NOFOLLOW))
		return fail(c, e);
	return 0;
}

static int
do_mode(struct scene *c, const char **why, struct err *e)
{
	return set_mode(c, c->step->before.mode, c->step->after.mode, why, e);
}

static int
undo_mode(struct scene *c, const char **why, struct err *e)
{
	/* Whoever changed it since has the last word. */
	(void)set_mode(c, c->step->after.mode, c->step->before.mode, why, e);
	return 0;
}

/* Give what is still ${from} the time of ${to}; who touched it since has the last word. */
static int
set_time(struct scene *c, const struct entry *from, const struct entry *to, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tree_timespec(to->mtime)};
	struct entry now;
	location_entry(&c->path, &now);
	if (now.type != from->type || now.mtime != from->mtime || now.size != from->size)
		return 0;
	/* Somebody else's: it is not worth stopping for. */
	if (utimensat(c->path.dirfd, c->path.name, times, AT_SYMLINK_NOFOLLOW) && errno != EPERM)
		return fail(c, e);
	return 0;
}

static int
do_times(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return set_time(c, &c->step->before, &c->step->after, e);
}

static int
undo_times(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return set_time(c, &c->step->after, &c->step->before, e);
}

typedef int deed(struct scene *c, const char **why, struct err *e);

static const struct {
	char kind;
	deed *forward, *back;
} deeds[] = {
    {PLAN_ADD, do_add, undo_add},
    {PLAN_CHANGE, do_change, undo_change},
    {PLAN_MARKED, do_change, undo_change},
    {PLAN_DIRECTORY, do_directory, undo_directory},
    {PLAN_CONVERT, do_convert, undo_convert},
    {PLAN_REMOVE, do_remove, undo_remove},
    {PLAN_EMPTY, do_empty, undo_empty},
    {PLAN_MODE, do_mode, undo_mode},
    {PLAN_TIMES, do_times, undo_times},
};

/* Open the places of ${step}: 1, 0 if the directory that the path is in is not there, -1. */
static int
open_scene(struct stage *s, const struct plan_step *step, struct scene *c, struct err *e)
{
	*c = (struct scene){.step = step};
	c->path.dirfd = c->staged.dirfd = -1;
	snprintf(c->number, sizeof c->number, "%" PRIu64, step->number);
	c->old = (struct location){.dirfd = s->oldfd, .name = c->number};
	c->made = (struct location){.dirfd = s->dirfd, .name = c->number};
	const char *relative = compare_relative(s->resource, step->path);
	c->path.dirfd = file_parent_beneath(s->sourcefd, relative, &c->path.name, e);
	if (c->path.dirfd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	if (plan_is_staged(step)) {
		c->staged.dirfd = file_parent_beneath(s->treefd, step->path, &c->staged.name, e);
		if (c->staged.dirfd < 0)
			return -1;
		if (location_look(&c->staged))
			return fail(c, e);
	}
	return location_look(&c->path) || location_look(&c->old) || location_look(&c->made)
		   ? fail(c, e)
		   : 1;
}

static int
perform(struct stage *s, const struct plan_step *step, bool forward, const char **why,
	struct err *e)
{
	struct scene c;
	size_t i = 0;
	while (i < sizeof deeds / sizeof deeds[0] && deeds[i].kind != step->kind)
		i++;
	if (i == sizeof deeds / sizeof deeds[0])
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	if (plan_is_last(step))
		return 0;
	int status = open_scene(s, step, &c, e);
	if (status > 0)
		status = forward ? deeds[i].forward(&c, why, e) : deeds[i].back(&c, why, e);
	else if (status == 0 && forward && step->kind != PLAN_REMOVE && step->kind != PLAN_EMPTY &&
		 step->kind != PLAN_TIMES)
		status = refuse(why, "its directory is gone");
	else if (status == 0 && !forward && c.old.name &&
		 faccessat(s->oldfd, c.number, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		status = refuse(why, "its directory is gone");
	file_close(c.path.dirfd);
	file_close(c.staged.dirfd);
	return status;
}

int
step_do(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return perform(s, step, true, why, e);
}

int
step_undo(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return perform(s, step, false, why, e);
}
