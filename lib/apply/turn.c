/*
 * turn - a step that was done becomes the one that takes it back.  See turn.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/turn.h"
#include "base/file.h"
#include "tree/compare.h"
#include "tree/walk.h"

#define SINCE "changed since it was applied"

/* It cannot be undone, unless the person is content with what is there now. */
static int
refuse_undo(struct undoing *u, const struct done_step *d, const char *why)
{
	apply_settle_conflict(u->t, d->step->path, why, NULL);
	return 0;
}

/* The directory that ${n} bytes of ${path} name is written to. */
static int
open_directory(struct undoing *u, struct stage *stage, const char *path, size_t n, struct err *e)
{
	char name[TREE_PATH + 1];

	snprintf(name, sizeof name, "%.*s", (int)n, path);
	if (pathset_has(&u->opened, name))
		return 0;
	return pathset_add(&u->opened, name, e) < 0 ? -1
						    : stage_plan_open(stage, u->writer, name, e);
}

/* How many bytes of ${path} name the nearest directory above it that neither comes nor goes. */
static size_t
find_holder(struct undoing *u, const struct stage *stage, const char *path)
{
	char name[TREE_PATH + 1];
	size_t holder = strlen(stage->resource->name);

	for (const char *slash = strchr(path + holder + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		if (pathset_has(&u->moved, name))
			break;
		holder = (size_t)(slash - path);
	}
	return holder;
}

/* Write ${s}, and before it what opens the directories for it. */
static int
add_step(struct undoing *u, struct stage *stage, struct plan_step *s, struct err *e)
{
	const char *slash = strrchr(s->path, '/');

	if (s->kind == PLAN_MODE || s->kind == PLAN_TIMES)
		return plan_add(u->writer, s, e);
	s->holder = find_holder(u, stage, s->path);
	if (open_directory(u, stage, s->path, strlen(stage->resource->name), e) < 0 ||
	    open_directory(u, stage, s->path, s->holder, e) < 0 ||
	    (slash != NULL && open_directory(u, stage, s->path, (size_t)(slash - s->path), e) < 0))
		return -1;
	return plan_add(u->writer, s, e);
}

/* Write the step ${kind} that makes ${after} of what is there now. */
static int
emit_undo(struct undoing *u, const struct done_step *d, char kind, const struct entry *after,
	  struct err *e)
{
	struct plan_step s = {.kind = kind, .path = d->step->path, .after = *after};
	char number[24];

	location_entry(&d->now, &s.before);
	if (add_step(u, d->stage, &s, e) < 0)
		return -1;
	snprintf(number, sizeof number, "%" PRIu64, s.number);
	bool directory = after->type == 'd' && turn_is_directory(&d->kept);
	if ((!plan_is_staged(&s) && !directory) || u->freshfd < 0)
		return 0;
	const struct location fresh = {.dirfd = u->freshfd, .name = number};
	if ((directory || linkat(u->keptfd, d->number, u->freshfd, number, 0) < 0) &&
	    location_copy(&d->kept, &fresh, e) < 0)
		return err_add(e, "%s", s.path);
	return 0;
}

static const struct entry nothing = {.type = '-'};

/* What was kept, with what tells it from others; ${target} has space for a link's. */
static int
kept_entry(const struct done_step *d, char target[TREE_PATH + 1], struct entry *entry,
	   struct err *e)
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
restore(struct undoing *u, const struct done_step *d, char kind, bool as_made, const char *why,
	struct err *e)
{
	char target[TREE_PATH + 1];
	struct entry old = nothing;

	if (kept_entry(d, target, &old, e) < 0)
		return -1;
	if (as_made)
		return emit_undo(u, d, kind, &old, e);
	bool same = location_is_after(&d->now, &old) &&
		    (old.type == 'l' || ((d->now.st.st_mode ^ old.mode) & 0777) == 0);
	return same ? 0 : refuse_undo(u, d, why);
}

bool
turn_is_directory(const struct location *p)
{
	return p->there && tree_type(p->st.st_mode) == 'd';
}

/* Is what is there now what apply put there?  A script got its x from apply if the peer has none
 * to give. */
static bool
is_as_made(const struct undoing *u, const struct done_step *d)
{
	const struct entry *a = &d->step->after;

	if (!location_is_after(&d->now, a))
		return false;
	mode_t more = (d->now.st.st_mode ^ a->mode) & 0777;
	bool script =
	    !u->t->job->fidelity && d->step->before.type != 'f' && more == (a->mode >> 2 & 0111);
	return a->type == 'l' || more == 0 || script;
}

static int
turn_add(struct undoing *u, const struct done_step *d, struct err *e)
{
	if (!d->now.there)
		return 0;
	return is_as_made(u, d) ? emit_undo(u, d, PLAN_REMOVE, &nothing, e)
				: refuse_undo(u, d, SINCE);
}

static int
turn_change(struct undoing *u, const struct done_step *d, struct err *e)
{
	bool as_made = is_as_made(u, d);

	if (d->step->before.type != 'd')
		return restore(u, d, PLAN_CHANGE, as_made, SINCE, e);
	if (!as_made)
		return turn_is_directory(&d->now) ? 0 : refuse_undo(u, d, SINCE);
	struct entry directory = {.type = 'd', .mode = d->step->before.mode | 0700};
	return emit_undo(u, d, PLAN_CONVERT, &directory, e);
}

static int
turn_directory(struct undoing *u, const struct done_step *d, struct err *e)
{
	if (turn_is_directory(&d->now))
		return emit_undo(u, d, PLAN_EMPTY, &nothing, e);
	return d->now.there ? refuse_undo(u, d, SINCE) : 0;
}

/* Is there anything in the directory that apply did not put there? */
static int
has_other_files(struct undoing *u, const struct done_step *d, bool *others, struct err *e)
{
	char source[2 * TREE_PATH + 2];
	const struct resource *r = d->stage->resource;

	snprintf(source, sizeof source, "%s/%s", r->source, compare_relative(r, d->step->path));
	struct resource inside = {.name = d->step->path, .source = source, .named = r->named};
	struct entry *entry;
	int n = 0;
	struct walk *tree = walk_open(&inside, 1, e);
	if (tree == NULL)
		return -1;
	*others = false;
	while (!*others && (n = walk_next(tree, &entry, e)) > 0)
		*others = !pathset_has(&u->made, entry->path);
	walk_close(tree);
	return n < 0 ? -1 : 0;
}

static int
turn_convert(struct undoing *u, const struct done_step *d, struct err *e)
{
	bool others = false;

	if (turn_is_directory(&d->now) && has_other_files(u, d, &others, e) < 0)
		return -1;
	if (others)
		return refuse_undo(u, d, "files came into it since it was applied");
	return restore(u, d, PLAN_CHANGE, turn_is_directory(&d->now), SINCE, e);
}

static int
turn_remove(struct undoing *u, const struct done_step *d, struct err *e)
{
	return restore(u, d, PLAN_ADD, !d->now.there, "appeared since it was deleted", e);
}

static int
turn_empty(struct undoing *u, const struct done_step *d, struct err *e)
{
	struct entry directory = {.type = 'd', .mode = d->step->before.mode | 0700};

	if (!d->now.there)
		return emit_undo(u, d, PLAN_DIRECTORY, &directory, e);
	return turn_is_directory(&d->now) ? 0 : refuse_undo(u, d, "appeared since it was deleted");
}

static int
turn_mode(struct undoing *u, const struct done_step *d, struct err *e)
{
	const struct entry *before = &d->step->before, *after = &d->step->after;

	if (!d->now.there || tree_type(d->now.st.st_mode) != before->type ||
	    ((d->now.st.st_mode ^ before->mode) & 0777) == 0)
		return 0;
	if (((d->now.st.st_mode ^ after->mode) & 0777) != 0)
		return refuse_undo(u, d, "its mode was changed since it was applied");
	return emit_undo(u, d, PLAN_MODE, before, e);
}

static int
turn_times(struct undoing *u, const struct done_step *d, struct err *e)
{
	const struct entry *before = &d->step->before;
	struct entry now;

	location_entry(&d->now, &now);
	/* Who touched it since has the last word. */
	if (now.type != before->type || now.mtime != d->step->after.mtime)
		return 0;
	return emit_undo(u, d, PLAN_TIMES, before, e);
}

static const struct {
	char kind;
	int (*turn)(struct undoing *u, const struct done_step *d, struct err *e);
} table[] = {
    {PLAN_ADD, turn_add},
    {PLAN_CHANGE, turn_change},
    {PLAN_MARKED, turn_change},
    {PLAN_CONVERT, turn_convert},
    {PLAN_DIRECTORY, turn_directory},
    {PLAN_REMOVE, turn_remove},
    {PLAN_EMPTY, turn_empty},
    {PLAN_MODE, turn_mode},
    {PLAN_TIMES, turn_times},
    {PLAN_OPEN, NULL}, /* it was closed again */
};

int
turn_look(struct undoing *u, const struct plan_step *step, struct done_step *d, struct err *e)
{
	*d = (struct done_step){.step = step, .now.dirfd = -1};
	d->stage = stage_of(u->t, step->path);
	if (d->stage == NULL)
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	snprintf(d->number, sizeof d->number, "%" PRIu64, step->number);
	d->kept = (struct location){.dirfd = u->keptfd, .name = d->number};
	const char *relative = compare_relative(d->stage->resource, step->path);
	d->now.dirfd =
	    file_parent_beneath(d->stage->sourcefd, *relative ? relative : ".", &d->now.name, e);
	if (d->now.dirfd < 0 && !location_is_gone())
		return -1;
	if ((u->keptfd >= 0 && location_look(&d->kept)) ||
	    (d->now.dirfd >= 0 && location_look(&d->now)))
		return err_sys(e, "%s", step->path);
	/* Where case does not count, what is there may be another one's. */
	if (d->now.there && (step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY) &&
	    !location_path_is_listed(d->stage->sourcefd, relative))
		d->now.there = false;
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

int
turn_step(struct undoing *u, const struct plan_step *step, struct err *e)
{
	struct done_step d;
	size_t i = 0;

	while (i < sizeof table / sizeof table[0] && table[i].kind != step->kind)
		i++;
	if (i == sizeof table / sizeof table[0])
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	int status = -1, found = turn_look(u, step, &d, e);
	if (found < 0)
		goto out;
	bool restores = step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY ||
			step->kind == PLAN_CHANGE || step->kind == PLAN_MARKED ||
			step->kind == PLAN_CONVERT;
	if (found == 0 && restores && !is_coming(u, step->path))
		status = refuse_undo(u, &d, "its directory is gone since it was applied");
	else
		status = table[i].turn == NULL ? 0 : table[i].turn(u, &d, e);
out:
	file_close(d.now.dirfd);
	return status;
}
