/*
 * fold - looks for names that are one on the file system here.  See private.h.
 *
 * No table of letters says so, but the file system: there is something at a path at which nothing
 * was when the directory was read.
 */
#include <stdlib.h>
#include <string.h>

#include "apply/scene.h"
#include "base/array.h"

/* What bears, by another name, the name of something that is to be added. */
struct bearer {
	uint64_t inode;
	bool goes; /* by the same plan */
};

struct folding {
	struct transaction *t;
	struct plan_writer *writer;
	struct bearer *bearers;
	size_t count, cap;
	char dropped[TREE_PATH + 1]; /* a directory that does not come, "" for none */
};

/* Does ${step} add something where something is that cannot be the same?  *${inode} says which,
 * *${why} what it is.  1, 0, -1. */
static int
is_folded(const struct transaction *t, const struct plan_step *step, uint64_t *inode,
	  const char **why, struct err *e)
{
	struct stage *s = stage_of(t, step->path);
	struct scene c;

	if (s == NULL || (step->kind != PLAN_ADD && step->kind != PLAN_DIRECTORY))
		return 0;
	int found = scene_open(s, step, &c, e);
	if (found > 0) {
		char type = c.path.there ? tree_type(c.path.st.st_mode) : '-';
		*inode = c.path.there ? c.path.st.st_ino : 0;
		found = c.path.there && !(step->kind == PLAN_DIRECTORY && type == 'd');
		*why = found ? scene_appeared(&c.path) : NULL;
	}
	scene_close(&c);
	return found;
}

int
apply_fold_needed(const struct transaction *t, struct plan *draft, struct err *e)
{
	struct plan_step *step;
	uint64_t inode;
	const char *why;
	int n, folded;

	plan_rewind(draft);
	while ((n = plan_next(draft, &step, e)) > 0)
		if ((folded = is_folded(t, step, &inode, &why, e)) != 0)
			return folded;
	return n;
}

static bool
is_removal(const struct plan_step *step)
{
	return step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY;
}

static int
by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct bearer *)a)->inode, y = ((const struct bearer *)b)->inode;

	return x < y ? -1 : x > y;
}

static struct bearer *
find_bearer(const struct folding *f, uint64_t inode)
{
	const struct bearer key = {.inode = inode};

	if (f->count == 0)
		return NULL;
	return bsearch(&key, f->bearers, f->count, sizeof key, by_inode);
}

static int
note_bearer(struct folding *f, const struct plan_step *step, struct err *e)
{
	uint64_t inode;
	const char *why;
	int folded = is_folded(f->t, step, &inode, &why, e);

	if (folded <= 0)
		return folded;
	struct bearer *more = array_grow(f->bearers, f->count + 1, &f->cap, sizeof *f->bearers, e);
	if (more == NULL)
		return -1;
	f->bearers = more;
	f->bearers[f->count++] = (struct bearer){inode, false};
	return 0;
}

/* Is it in the directory that does not come? */
static bool
is_dropped(const struct folding *f, const char *path)
{
	const char *rest = *f->dropped ? tree_below(path, f->dropped) : NULL;

	return rest != NULL && *rest != '\0';
}

/* Write what is no removal, now that those are done; or leave it out. */
static int
take_step(struct folding *f, const struct plan_step *step, struct err *e)
{
	uint64_t inode;
	const char *why;
	int folded = is_folded(f->t, step, &inode, &why, e);

	if (folded < 0 || is_dropped(f, step->path))
		return folded < 0 ? -1 : 0;
	const struct bearer *bearer = folded > 0 ? find_bearer(f, inode) : NULL;
	if (folded == 0 || (bearer != NULL && bearer->goes))
		return plan_copy(f->writer, step, e);
	apply_settle_conflict(f->t, step->path, why, NULL);
	if (step->kind == PLAN_DIRECTORY)
		memcpy(f->dropped, step->path, strlen(step->path) + 1);
	return 0;
}

/* Do ${each} with the steps that are removals, or that are not. */
static int
each_step(struct folding *f, bool removals,
	  int (*each)(struct folding *f, const struct plan_step *step, struct err *e),
	  struct err *e)
{
	struct plan_step *step;
	int n;

	plan_rewind(f->t->plan);
	while ((n = plan_next(f->t->plan, &step, e)) > 0)
		if (is_removal(step) == removals && each(f, step, e) < 0)
			return -1;
	return n;
}

static int
take_removal(struct folding *f, const struct plan_step *step, struct err *e)
{
	struct bearer *bearer = find_bearer(f, step->before.inode);

	if (bearer != NULL)
		bearer->goes = true;
	return plan_copy(f->writer, step, e);
}

int
apply_fold(struct transaction *t, int planfd, struct err *e)
{
	struct folding f = {.t = t, .writer = plan_writer_new(planfd, t->token, e)};
	int status = -1;

	if (f.writer == NULL || each_step(&f, false, note_bearer, e) < 0)
		goto out;
	if (f.count > 0)
		qsort(f.bearers, f.count, sizeof *f.bearers, by_inode);
	if (each_step(&f, true, take_removal, e) < 0 || each_step(&f, false, take_step, e) < 0)
		goto out;
	status = plan_finish(f.writer, e);
out:
	free(f.bearers);
	plan_writer_free(f.writer);
	return status;
}
