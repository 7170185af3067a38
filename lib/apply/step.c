/*
 * step - does and undoes one step of a plan.  See step.h.
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
step_failed(const struct scene *c, struct err *e)
{
	return err_sys(e, "%s", c->step->path);
}

static int
refuse_step(const char **why, const char *text)
{
	*why = text;
	return 1;
}

/* The directory could not be removed: does errno say that something is in it, or in its place? */
static bool
is_in_use(void)
{
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
}

/* location_move_free() was cut off between its link and its unlink: take one of the two names away.
 */
static int
drop_name(struct scene *c, struct location *p, struct err *e)
{
	p->there = false;
	return unlinkat(p->dirfd, p->name, 0) ? step_failed(c, e) : 0;
}

static int
do_add(struct scene *c, const char **why, struct err *e)
{
	if (!c->staged.there)
		return 0;
	if (location_same_file(&c->staged, &c->path))
		return drop_name(c, &c->staged, e);
	if (!c->path.there && location_move_free(&c->staged, &c->path) == 0)
		return 0;
	if (c->path.there || errno == EEXIST)
		return refuse_step(why, "appeared while it was compared");
	return step_failed(c, e);
}

static int
undo_add(struct scene *c, const char **why, struct err *e)
{
	if (c->staged.there)
		return location_same_file(&c->staged, &c->path) ? drop_name(c, &c->path, e) : 0;
	if (!c->path.there)
		return 0;
	if (!location_is_after(&c->path, &c->step->after))
		return refuse_step(why, "changed since it was added");
	return location_move_free(&c->path, &c->staged) ? step_failed(c, e) : 0;
}

/* New and old are exchanged: put the old where it is kept, or back if it is not what it should be.
 */
static int
finish_change(struct scene *c, const char **why, struct err *e)
{
	bool right;

	if (location_look(&c->staged))
		return step_failed(c, e);
	right = location_is_before(&c->staged, &c->step->before, false);
	if (right && c->step->before.type == 'd') {
		if (unlinkat(c->staged.dirfd, c->staged.name, AT_REMOVEDIR) == 0)
			return 0;
		right = errno != ENOTEMPTY && errno != EEXIST;
		if (right)
			return step_failed(c, e);
	} else if (right) {
		return location_move_over(&c->staged, &c->old) ? step_failed(c, e) : 0;
	}
	return location_exchange(&c->staged, &c->path) ? step_failed(c, e)
						       : refuse_step(why, CHANGED);
}

/* Where names cannot be exchanged. */
static int
change_by_link(struct scene *c, const char **why, struct err *e)
{
	if (c->step->before.type == 'd') {
		if (unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR)) {
			if (errno == ENOTEMPTY || errno == EEXIST)
				return refuse_step(why, CHANGED);
			return step_failed(c, e);
		}
		return location_move_free(&c->staged, &c->path) ? step_failed(c, e) : 0;
	}
	if (!location_same_file(&c->old, &c->path)) {
		if (linkat(c->path.dirfd, c->path.name, c->old.dirfd, c->old.name, 0) &&
		    location_move_over(&c->path, &c->old))
			return step_failed(c, e);
		if (location_look(&c->old))
			return step_failed(c, e);
	}
	if (!location_is_before(&c->old, &c->step->before, false)) {
		if (location_move_free(&c->old, &c->path) && errno != EEXIST)
			return step_failed(c, e);
		return refuse_step(why, CHANGED);
	}
	return location_move_over(&c->staged, &c->path) ? step_failed(c, e) : 0;
}

/* How far a step got that puts something in the place of something else: the table in step.h. */
enum where {
	UNTOUCHED, /* the new is on the stage, and whatever there is in its place */
	LINKED,    /* the new has both names: location_move_free() was cut off */
	TAKEN,     /* the old is away, the new still on the stage */
	EXCHANGED, /* the old is where the new was */
	APPLIED,   /* the stage is empty */
};

static enum where
where_is(const struct scene *c)
{
	const struct entry *before = &c->step->before;

	if (!c->staged.there)
		return APPLIED;
	if (location_same_file(&c->staged, &c->path))
		return LINKED;
	if (location_is_before(&c->staged, before, false))
		return EXCHANGED;
	if (!c->path.there && (before->type == 'd' || c->old.there))
		return TAKEN;
	return UNTOUCHED;
}

/* The same for a directory in place of a file or link, which is made beside the stage. */
static enum where
where_is_directory(const struct scene *c)
{
	if (location_is_before(&c->made, &c->step->before, false))
		return EXCHANGED;
	return c->old.there ? TAKEN : UNTOUCHED;
}

static int
do_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;

	switch (where_is(c)) {
	case APPLIED:
		return 0;
	case LINKED:
		return drop_name(c, &c->staged, e);
	case EXCHANGED:
		return finish_change(c, why, e);
	case TAKEN:
		if (before->type != 'd' && !location_is_before(&c->old, before, false))
			return refuse_step(why, CHANGED);
		return location_move_free(&c->staged, &c->path) ? step_failed(c, e) : 0;
	default:
		break;
	}
	if (!location_is_before(&c->path, before, !location_same_file(&c->path, &c->old)))
		return refuse_step(why, CHANGED);
	if (location_exchange(&c->staged, &c->path) == 0)
		return finish_change(c, why, e);
	return location_not_supported() ? change_by_link(c, why, e) : step_failed(c, e);
}

static int
make_directory(struct scene *c, mode_t mode, struct err *e)
{
	if (mkdirat(c->path.dirfd, c->path.name, 0700) < 0 && errno != EEXIST)
		return step_failed(c, e);
	if (fchmodat(c->path.dirfd, c->path.name, mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return step_failed(c, e);
	return 0;
}

/* Put the old back in its place, which is free or has the new. */
static int
restore_old(struct scene *c, struct err *e)
{
	const struct entry *before = &c->step->before;

	if (before->type != 'd')
		return location_move_over(&c->old, &c->path) ? step_failed(c, e) : 0;
	if (c->path.there && location_move_free(&c->path, &c->staged))
		return step_failed(c, e);
	return make_directory(c, before->mode, e);
}

static int
undo_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	enum where where = where_is(c);

	if (where == LINKED && drop_name(c, &c->path, e) < 0)
		return -1;
	if (where == LINKED || where == TAKEN || where == UNTOUCHED) {
		if (!c->path.there && before->type == 'd')
			return make_directory(c, before->mode, e);
		if (!c->path.there && c->old.there)
			return location_move_free(&c->old, &c->path) ? step_failed(c, e) : 0;
		return 0;
	}
	if (location_is_before(&c->path, before, false) && !c->old.there)
		return 0;
	if (c->path.there && !location_is_after(&c->path, &c->step->after))
		return refuse_step(why, "changed since it was applied");
	if (where == EXCHANGED)
		return location_exchange(&c->staged, &c->path) ? step_failed(c, e) : 0;
	return restore_old(c, e);
}

static int
do_directory(struct scene *c, const char **why, struct err *e)
{
	if (c->path.there && location_type_of(&c->path.st) != 'd')
		return refuse_step(why, "appeared while it was compared");
	/* The group of what is made here is inherited, as mkdir(2) has it. */
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
	return is_in_use() ? 0 : step_failed(c, e);
}

/* Put the new directory, made beside the stage, in the place of the old, and keep that. */
static int
exchange_directory(struct scene *c, mode_t mode, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;

	if (!c->made.there && mkdirat(c->made.dirfd, c->made.name, 0700) < 0)
		return step_failed(c, e);
	if (!location_is_before(&c->path, before, true))
		return refuse_step(why, CHANGED);
	if (fchmodat(c->made.dirfd, c->made.name, mode, 0) < 0)
		return step_failed(c, e);
	if (location_exchange(&c->made, &c->path)) {
		if (!location_not_supported() || location_move_over(&c->path, &c->old))
			return step_failed(c, e);
		return location_move_free(&c->made, &c->path) ? step_failed(c, e) : 0;
	}
	if (location_look(&c->made))
		return step_failed(c, e);
	if (!location_is_before(&c->made, before, false))
		return location_exchange(&c->made, &c->path) ? step_failed(c, e)
							     : refuse_step(why, CHANGED);
	return location_move_over(&c->made, &c->old) ? step_failed(c, e) : 0;
}

static int
do_convert(struct scene *c, const char **why, struct err *e)
{
	mode_t mode = c->step->after.mode & 07777;

	switch (where_is_directory(c)) {
	case EXCHANGED:
		return location_move_over(&c->made, &c->old) ? step_failed(c, e) : 0;
	case TAKEN:
		if (c->path.there && location_type_of(&c->path.st) != 'd')
			return refuse_step(why, CHANGED);
		return make_directory(c, mode, e);
	default:
		return exchange_directory(c, mode, why, e);
	}
}

static int
undo_convert(struct scene *c, const char **why, struct err *e)
{
	switch (where_is_directory(c)) {
	case EXCHANGED:
		return location_exchange(&c->made, &c->path) ? step_failed(c, e) : 0;
	case TAKEN:
		break;
	default:
		return 0;
	}
	if (location_same_file(&c->old, &c->path))
		return drop_name(c, &c->old, e);
	if (c->path.there && unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) < 0)
		return is_in_use() ? refuse_step(why, "changed since it was applied")
				   : step_failed(c, e);
	return location_move_free(&c->old, &c->path) ? step_failed(c, e) : 0;
}

static int
do_remove(struct scene *c, const char **why, struct err *e)
{
	if (!c->path.there || c->old.there)
		return 0;
	if (!location_is_before(&c->path, &c->step->before, true))
		return refuse_step(why, CHANGED);
	if (location_move_over(&c->path, &c->old) || location_look(&c->old))
		return step_failed(c, e);
	if (location_is_before(&c->old, &c->step->before, false))
		return 0;
	if (location_move_free(&c->old, &c->path) && errno != EEXIST)
		return step_failed(c, e);
	return refuse_step(why, CHANGED);
}

static int
undo_remove(struct scene *c, const char **why, struct err *e)
{
	if (location_same_file(&c->old, &c->path))
		return drop_name(c, &c->old, e);
	if (!c->old.there || location_move_free(&c->old, &c->path) == 0)
		return 0;
	return errno == EEXIST ? refuse_step(why, "appeared since it was deleted")
			       : step_failed(c, e);
}

static int
do_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	/* Something of ours came into it: then it stays, as if we had seen it before. */
	return is_in_use() ? 0 : step_failed(c, e);
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
		return refuse_step(why, CHANGED);
	mode_t now = c->path.st.st_mode & 0777;
	if (now == (to & 0777))
		return 0;
	if (now != (from & 0777))
		return refuse_step(why, CHANGED);
	/* What is no part of what is sent stays as it is: a directory's setgid, say. */
	to = (to & 0777) | (c->path.st.st_mode & 07000);
	if (fchmodat(c->path.dirfd, c->path.name, to, AT_SYMLINK_NOFOLLOW))
		return step_failed(c, e);
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
		return step_failed(c, e);
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

typedef int step_way(struct scene *c, const char **why, struct err *e);

static const struct step_kind {
	char kind;
	step_way *forward, *back;
} kinds[] = {
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
		return location_is_gone() ? 0 : -1;
	if (plan_is_staged(step)) {
		c->staged.dirfd = file_parent_beneath(s->treefd, step->path, &c->staged.name, e);
		if (c->staged.dirfd < 0)
			return -1;
		if (location_look(&c->staged))
			return step_failed(c, e);
	}
	return location_look(&c->path) || location_look(&c->old) || location_look(&c->made)
		   ? step_failed(c, e)
		   : 1;
}

static const struct step_kind *
kind_of(const struct plan_step *step, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == step->kind)
			return &kinds[i];
	err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	return NULL;
}

static void
close_scene(struct scene *c)
{
	file_close(c->path.dirfd);
	file_close(c->staged.dirfd);
}

int
step_do(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	const struct step_kind *kind = kind_of(step, e);
	struct scene c;

	if (kind == NULL)
		return -1;
	if (plan_is_last(step))
		return 0;
	int found = open_scene(s, step, &c, e), status = found;
	if (found > 0)
		status = kind->forward(&c, why, e);
	else if (found == 0 && step->kind != PLAN_REMOVE && step->kind != PLAN_EMPTY &&
		 step->kind != PLAN_TIMES)
		status = refuse_step(why, "its directory is gone");
	close_scene(&c);
	return status;
}

int
step_undo(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	const struct step_kind *kind = kind_of(step, e);
	struct scene c;

	if (kind == NULL)
		return -1;
	if (plan_is_last(step))
		return 0;
	int found = open_scene(s, step, &c, e), status = found;
	if (found > 0)
		status = kind->back(&c, why, e);
	else if (found == 0 && faccessat(s->oldfd, c.number, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		status = refuse_step(why, "its directory is gone");
	close_scene(&c);
	return status;
}
