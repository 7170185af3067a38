/*
 * replace - steps that put something in the place of something else.  See scene.h and step.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/scene.h"

/* New and old are exchanged: put the old where it is kept, or back if it is not what it should be.
 */
static int
finish_change(struct scene *c, const char **why, struct err *e)
{
	bool right;

	if (location_look(&c->staged))
		return scene_failed(c, e);
	right = location_is_before(&c->staged, &c->step->before, false);
	if (right && c->step->before.type == 'd') {
		int removed = scene_remove_directory(c, &c->staged, e);
		if (removed != 0)
			return removed < 0 ? -1 : 0;
	} else if (right && location_same_file(&c->staged, &c->old)) {
		/* Two names of one file: a rename of one to the other does nothing. */
		return scene_drop(c, &c->staged, e);
	} else if (right) {
		return location_move_over(&c->staged, &c->old) ? scene_failed(c, e) : 0;
	}
	return location_exchange(&c->staged, &c->path) ? scene_failed(c, e)
						       : scene_refuse(why, SCENE_CHANGED);
}

/* Where names cannot be exchanged. */
static int
change_by_link(struct scene *c, const char **why, struct err *e)
{
	if (c->step->before.type == 'd') {
		int removed = scene_remove_directory(c, &c->path, e);
		if (removed <= 0)
			return removed < 0 ? -1 : scene_refuse(why, SCENE_CHANGED);
		return location_move_free(&c->staged, &c->path) ? scene_failed(c, e) : 0;
	}
	if (!location_same_file(&c->old, &c->path)) {
		if (linkat(c->path.dirfd, c->path.name, c->old.dirfd, c->old.name, 0) &&
		    location_move_over(&c->path, &c->old))
			return scene_failed(c, e);
		if (location_look(&c->old))
			return scene_failed(c, e);
	}
	if (!location_is_before(&c->old, &c->step->before, false)) {
		if (location_move_free(&c->old, &c->path) && errno != EEXIST)
			return scene_failed(c, e);
		return scene_refuse(why, SCENE_CHANGED);
	}
	return location_move_over(&c->staged, &c->path) ? scene_failed(c, e) : 0;
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

int
replace_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;

	switch (where_is(c)) {
	case APPLIED:
		/* Or somebody took the new away. */
		return !c->old.there && location_is_before(&c->path, before, false)
			   ? scene_refuse(why, SCENE_LOST)
			   : 0;
	case LINKED:
		return scene_drop(c, &c->staged, e);
	case EXCHANGED:
		return finish_change(c, why, e);
	case TAKEN:
		if (before->type != 'd' && !location_is_before(&c->old, before, false))
			return scene_refuse(why, SCENE_CHANGED);
		return location_move_free(&c->staged, &c->path) ? scene_failed(c, e) : 0;
	default:
		break;
	}
	if (!location_is_before(&c->path, before, !location_same_file(&c->path, &c->old)))
		return scene_refuse(why, SCENE_CHANGED);
	if (location_exchange(&c->staged, &c->path) == 0)
		return finish_change(c, why, e);
	return location_not_supported() ? change_by_link(c, why, e) : scene_failed(c, e);
}

/* Put the old back in its place, which is free or has the new. */
static int
restore_old(struct scene *c, struct err *e)
{
	const struct entry *before = &c->step->before;

	if (before->type != 'd')
		return location_move_over(&c->old, &c->path) ? scene_failed(c, e) : 0;
	if (c->path.there && location_move_free(&c->path, &c->staged))
		return scene_failed(c, e);
	return scene_bring_back(c, e);
}

int
replace_undo_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	enum where where = where_is(c);

	if (where == LINKED && scene_drop(c, &c->path, e) < 0)
		return -1;
	if (where == LINKED || where == TAKEN || where == UNTOUCHED) {
		if (location_same_file(&c->old, &c->path))
			return scene_drop(c, &c->old, e);
		if (!c->path.there && before->type == 'd')
			return scene_bring_back(c, e);
		if (!c->path.there && c->old.there)
			return location_move_free(&c->old, &c->path) ? scene_failed(c, e) : 0;
		return 0;
	}
	if (location_is_before(&c->path, before, false) && !c->old.there)
		return 0;
	if (c->path.there && !location_is_after(&c->path, &c->step->after)) {
		if (where == EXCHANGED && before->type != 'd' &&
		    location_move_over(&c->staged, &c->old))
			return scene_failed(c, e);
		return scene_refuse(why, "changed since it was applied");
	}
	if (where == EXCHANGED)
		return location_exchange(&c->staged, &c->path) ? scene_failed(c, e) : 0;
	return restore_old(c, e);
}

/* Put the new directory, made beside the stage, in the place of the old, and keep that. */
static int
exchange_directory(struct scene *c, mode_t mode, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;

	if (!location_is_before(&c->path, before, true))
		return scene_refuse(why, SCENE_CHANGED);
	if (scene_make_directory(c, &c->made, mode, c->exact, e) < 0)
		return -1;
	if (location_exchange(&c->made, &c->path)) {
		if (!location_not_supported() || location_move_over(&c->path, &c->old))
			return scene_failed(c, e);
		return location_move_free(&c->made, &c->path) ? scene_failed(c, e) : 0;
	}
	if (location_look(&c->made))
		return scene_failed(c, e);
	if (!location_is_before(&c->made, before, false))
		return location_exchange(&c->made, &c->path) ? scene_failed(c, e)
							     : scene_refuse(why, SCENE_CHANGED);
	return location_move_over(&c->made, &c->old) ? scene_failed(c, e) : 0;
}

int
replace_convert(struct scene *c, const char **why, struct err *e)
{
	mode_t mode = c->step->after.mode & 07777;

	switch (where_is_directory(c)) {
	case EXCHANGED:
		return location_move_over(&c->made, &c->old) ? scene_failed(c, e) : 0;
	case TAKEN:
		if (c->path.there && tree_type(c->path.st.st_mode) != 'd')
			return scene_refuse(why, SCENE_CHANGED);
		return scene_make_directory(c, &c->path, mode, c->exact, e);
	default:
		return exchange_directory(c, mode, why, e);
	}
}

int
replace_undo_convert(struct scene *c, const char **why, struct err *e)
{
	switch (where_is_directory(c)) {
	case EXCHANGED:
		return location_exchange(&c->made, &c->path) ? scene_failed(c, e) : 0;
	case TAKEN:
		break;
	default:
		return 0;
	}
	if (location_same_file(&c->old, &c->path))
		return scene_drop(c, &c->old, e);
	if (c->path.there && unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) < 0)
		return scene_in_use() ? scene_refuse(why, "changed since it was applied")
				      : scene_failed(c, e);
	return location_move_free(&c->old, &c->path) ? scene_failed(c, e) : 0;
}
