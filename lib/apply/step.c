/*
 * step - does and undoes one step of a plan.  See step.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/scene.h"
#include "apply/step.h"

static int
do_add(struct scene *c, const char **why, struct err *e)
{
	if (!c->staged.there)
		return c->path.there ? 0 : scene_refuse(why, SCENE_LOST);
	if (location_same_file(&c->staged, &c->path))
		return scene_drop(c, &c->staged, e);
	if (!c->path.there && location_move_free(&c->staged, &c->path) == 0)
		return 0;
	if (c->path.there || errno == EEXIST)
		return scene_refuse(why, scene_appeared(&c->path));
	return scene_failed(c, e);
}

static int
undo_add(struct scene *c, const char **why, struct err *e)
{
	if (c->staged.there)
		return location_same_file(&c->staged, &c->path) ? scene_drop(c, &c->path, e) : 0;
	if (!c->path.there)
		return 0;
	if (!location_is_after(&c->path, &c->step->after))
		return scene_refuse(why, "changed since it was added");
	return location_move_free(&c->path, &c->staged) ? scene_failed(c, e) : 0;
}

static int
do_directory(struct scene *c, const char **why, struct err *e)
{
	if (c->path.there && tree_type(c->path.st.st_mode) != 'd')
		return scene_refuse(why, scene_appeared(&c->path));
	/* An undo has it ready, with what was attached to it. */
	if (c->staged.there && !c->path.there && location_move_free(&c->staged, &c->path) < 0)
		return scene_failed(c, e);
	/* The group of what is made here is inherited, as mkdir(2) has it. */
	struct stat above;
	bool inherits = !c->bits && fstat(c->path.dirfd, &above) == 0;
	mode_t group = inherits ? above.st_mode & S_ISGID : 0;
	return scene_make_directory(c, &c->path, c->step->after.mode | group, c->exact, e);
}

/* Remove the directory, unless something came into it: then it stays, as if it had been there. */
static int
do_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return c->path.there && scene_remove_directory(c, &c->path, e) < 0 ? -1 : 0;
}

static int
undo_directory(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	return scene_in_use() ? 0 : scene_failed(c, e);
}

static int
do_remove(struct scene *c, const char **why, struct err *e)
{
	if (!c->path.there || c->old.there)
		return 0;
	if (!location_is_before(&c->path, &c->step->before, true))
		return scene_refuse(why, SCENE_CHANGED);
	if (location_move_over(&c->path, &c->old) || location_look(&c->old))
		return scene_failed(c, e);
	if (location_is_before(&c->old, &c->step->before, false))
		return 0;
	if (location_move_free(&c->old, &c->path) && errno != EEXIST)
		return scene_failed(c, e);
	return scene_refuse(why, SCENE_CHANGED);
}

static int
undo_remove(struct scene *c, const char **why, struct err *e)
{
	if (location_same_file(&c->old, &c->path))
		return scene_drop(c, &c->old, e);
	if (!c->old.there || location_move_free(&c->old, &c->path) == 0)
		return 0;
	return errno == EEXIST ? scene_refuse(why, "appeared since it was deleted")
			       : scene_failed(c, e);
}

static int
undo_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return c->path.there ? 0 : scene_bring_back(c, e);
}

static int
do_mode(struct scene *c, const char **why, struct err *e)
{
	return scene_set_mode(c, c->step->before.mode, c->step->after.mode, why, e);
}

static int
undo_mode(struct scene *c, const char **why, struct err *e)
{
	/* Whoever changed it since has the last word. */
	(void)scene_set_mode(c, c->step->after.mode, c->step->before.mode, why, e);
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
	if (utimensat(c->path.dirfd, c->path.name, times, AT_SYMLINK_NOFOLLOW) &&
	    !location_not_ours())
		return scene_failed(c, e);
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
    {PLAN_CHANGE, replace_change, replace_undo_change},
    {PLAN_MARKED, replace_change, replace_undo_change},
    {PLAN_DIRECTORY, do_directory, undo_directory},
    {PLAN_CONVERT, replace_convert, replace_undo_convert},
    {PLAN_REMOVE, do_remove, undo_remove},
    {PLAN_EMPTY, do_empty, undo_empty},
    {PLAN_OPEN, do_mode, NULL}, /* it is closed again when all is done, or undone */
    {PLAN_MODE, do_mode, undo_mode},
    {PLAN_TIMES, do_times, undo_times},
};

static const struct step_kind *
kind_of(const struct plan_step *step, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == step->kind)
			return &kinds[i];
	err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	return NULL;
}

/* The directory that the path is in is not there: is that in the way of the step, or its undoing?
 */
static bool
is_missed(const struct scene *c, bool back)
{
	char kind = c->step->kind;

	if (back)
		return c->old.there || c->lost;
	return kind != PLAN_REMOVE && kind != PLAN_EMPTY && kind != PLAN_TIMES;
}

/* Do ${step}, or undo it with ${back}. */
static int
run_step(struct stage *s, const struct plan_step *step, bool back, const char **why, struct err *e)
{
	const struct step_kind *kind = kind_of(step, e);
	struct scene c;

	if (kind == NULL)
		return -1;
	if (plan_is_last(step))
		return 0;
	step_way *way = back ? kind->back : kind->forward;
	int status = scene_open(s, step, &c, e);
	if (status > 0)
		status = way == NULL ? 0 : way(&c, why, e);
	else if (status == 0 && is_missed(&c, back))
		status = scene_refuse(why, "its directory is gone");
	scene_close(&c);
	return status;
}

/* Is it in a directory that comes by the same plan? */
static bool
comes_later(const struct plan_step *step)
{
	const char *slash = strrchr(step->path, '/');

	return step->holder < (slash == NULL ? 0 : (size_t)(slash - step->path));
}

int
step_check(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	const struct entry *before = &step->before;
	struct scene c;

	if (plan_is_last(step) || step->kind == PLAN_OPEN || step->kind == PLAN_DIRECTORY)
		return 0;
	int status = scene_open(s, step, &c, e);
	if (status == 0 && !comes_later(step))
		status = scene_refuse(why, "its directory is gone");
	else if (status > 0 && before->type != '-' && step->kind != PLAN_MODE &&
		 !location_is_before(&c.path, before, true))
		status = scene_refuse(why, SCENE_CHANGED);
	else if (status > 0)
		status = 0;
	scene_close(&c);
	return status;
}

int
step_do(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return run_step(s, step, false, why, e);
}

int
step_undo(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return run_step(s, step, true, why, e);
}
