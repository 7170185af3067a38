/*
 * apply - takes what came back into the directory it was lent from.  See apply.h.
 *
 * How far a transaction got is the name of its plan in the state directory:
 *
 *	plan.new	being written, or all was undone; nothing has changed, it may be thrown away
 *			when the stage is cleared away
 *	plan		new files are on the stage; steps are being done, or half done: go on
 *	rollback	a step could not be done: steps are being undone, go on with that
 *	undo		all steps are done; old files go to kept/.  Stays, for whoever wants back
 *
 * Each name is given by one rename, after what it says was made durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/merge.h"
#include "apply/decide.h"
#include "apply/report.h"
#include "apply/stage.h"
#include "apply/step.h"
#include "apply/undo.h"
#include "base/file.h"

struct transaction {
	const struct apply_job *job;
	struct resource *resources; /* the writable ones; their content is the job's */
	struct stage *stages;
	size_t count;
	struct apply_totals *totals;
	int planfd;
	struct plan *plan;
	uint64_t steps;
};

/* Give the plan its next name. */
static int
rename_plan(struct transaction *t, const char *from, const char *to, struct err *e)
{
	int statefd = t->job->statefd;
	if (renameat(statefd, from, statefd, to))
		return err_sys(e, "cannot rename the plan");
	return file_sync_dir(statefd, e);
}

static void
close_plan(struct transaction *t)
{
	plan_close(t->plan);
	file_close(t->planfd);
	t->plan = NULL;
	t->planfd = -1;
}

/* Open the plan by the name ${name}: 1, 0 if there is none, -1. */
static int
open_plan(struct transaction *t, const char *name, struct err *e)
{
	t->planfd = openat(t->job->statefd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (t->planfd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open the plan");
	t->plan = plan_open(t->planfd, e);
	if (!t->plan) {
		close_plan(t);
		return -1;
	}
	return 1;
}

/* Tell and count all steps. */
static int
tell(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	int n;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		apply_report_step(t->job, step, t->totals);
		t->steps = step->number;
	}
	return n;
}

static int
remove_plan(struct transaction *t, const char *name, struct err *e)
{
	if (unlinkat(t->job->statefd, name, 0) && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	return file_sync_dir(t->job->statefd, e);
}

static int
conflicts(const struct transaction *t, struct err *e)
{
	unsigned long long n = t->totals->conflicts;
	err_set(e, ERR_CONFLICT,
		t->job->undo ? "%llu path%s changed since" : "%llu path%s changed on both sides", n,
		n == 1 ? "" : "s");
	return err_hint(e, "nothing was changed");
}

/* Undo the steps before this place of the plan, now named "rollback". */
static int
roll_back(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n;
	while ((n = plan_previous(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t->stages, t->count, step->path);
		int status = s && s->treefd >= 0 ? step_undo(s, step, &why, e) : 0;
		if (status < 0)
			return -1;
		if (status > 0)
			apply_report_conflict(t->job, step->path, why, t->totals);
	}
	/* The plan ends before the stage: without the stage it could not be followed again. */
	if (n < 0 || stages_keep(t->stages, t->count, t->job->statefd, e) ||
	    rename_plan(t, "rollback", "plan.new", e) ||
	    stages_remove(t->stages, t->count, t->job->statefd, e) ||
	    stages_end(t->stages, t->count, t->plan, false, e) || remove_plan(t, "plan.new", e))
		return -1;
	close_plan(t);
	return 0;
}

/* A step failed, ${e} says why: undo what was done. */
static int
give_up(struct transaction *t, struct err *e)
{
	struct err second;
	if (rename_plan(t, "plan", "rollback", &second) || roll_back(t, &second))
		return err_hint(e, "it could not be undone (%.150s); run it again", second.message);
	return -1;
}

/* All steps are done: from here on the transaction is. */
static int
settle(struct transaction *t, struct err *e)
{
	if (stages_remove(t->stages, t->count, t->job->statefd, e) ||
	    stages_end(t->stages, t->count, t->plan, true, e))
		return -1;
	close_plan(t);
	return 0;
}

/* Do the steps of the plan, which is durable and named "plan". */
static int
commit(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t->stages, t->count, step->path);
		int status = s ? step_do(s, step, &why, e) : 0;
		if (status == 0)
			continue;
		if (status > 0) {
			apply_report_conflict(t->job, step->path, why, t->totals);
			conflicts(t, e);
		}
		return give_up(t, e);
	}
	if (n < 0)
		return -1;
	if (stages_sync(t->stages, t->count, t->plan, t->steps, e)) {
		struct err second;
		return plan_to_end(t->plan, &second) ? -1 : give_up(t, e);
	}
	if (rename_plan(t, "plan", "undo", e) || tell(t, e))
		return -1;
	return settle(t, e);
}

/* Nothing has changed yet, and nothing will. */
static void
abandon(struct transaction *t)
{
	struct err
	    ignored; /* the first error is the one to tell; leftovers are cleared next time */
	close_plan(t);
	(void)stages_remove(t->stages, t->count, t->job->statefd, &ignored);
	(void)unlinkat(t->job->statefd, "plan.new", 0);
	(void)file_remove_tree(t->job->statefd, "fresh", &ignored);
}

/* A new file for a plan, with no name if it is only to be told. */
static int
new_plan(const struct transaction *t, struct err *e)
{
	int statefd = t->job->statefd;
	if (unlinkat(statefd, "plan.new", 0) && errno != ENOENT)
		return err_sys(e, "cannot write the plan");
	int fd =
	    openat(statefd, "plan.new", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || (t->job->dry && unlinkat(statefd, "plan.new", 0)))
		err_sys(e, "cannot write the plan");
	return fd;
}

/* Compare the three sides and write down what is to be done. */
static int
write_plan(struct transaction *t, struct err *e)
{
	t->planfd = new_plan(t, e);
	if (t->planfd < 0)
		return -1;
	if (t->job->undo)
		return apply_undo_plan(t->job, t->stages, t->count, t->planfd, t->totals, e);
	int *roots = calloc(t->count + 1, sizeof *roots);
	if (!roots)
		return err_memory(e);
	for (size_t i = 0; i < t->count; i++)
		roots[i] = t->stages[i].sourcefd;
	int status = apply_plan(t->job, t->resources, roots, t->count, t->planfd, t->totals, e);
	free(roots);
	return status;
}

/* The plan was a draft: try the merges that it asks for. */
static int
merge(struct transaction *t, struct err *e)
{
	int needed = apply_merge_needed(t->plan, e);
	if (needed <= 0)
		return needed;
	int fd = new_plan(t, e);
	if (fd < 0)
		return -1;
	int status = apply_merge(t->job, t->stages, t->count, t->plan, fd, t->totals, e);
	close_plan(t);
	t->planfd = fd;
	if (status)
		return -1;
	t->plan = plan_open(fd, e);
	return t->plan ? 0 : -1;
}

/* Put what is new on the stage. */
static int
fill(struct transaction *t, struct err *e)
{
	struct plan_step *last;
	int n = plan_to_end(t->plan, e) ? -1 : plan_previous(t->plan, &last, e);
	t->steps = n > 0 ? last->number : 0;
	if (n <= 0)
		return n;
	if (stages_make(t->stages, t->count, t->job->statefd, e) ||
	    stages_fill(t->stages, t->count, t->job, t->plan, t->steps, e))
		return -1;
	if (fsync(t->planfd))
		return err_sys(e, "cannot write the plan");
	return 0;
}

/* Write the plan and fill the stage; or only tell. */
static int
prepare(struct transaction *t, struct err *e)
{
	if (file_remove_tree(t->job->statefd, "fresh", e) || write_plan(t, e))
		return -1;
	t->plan = plan_open(t->planfd, e);
	if (!t->plan || merge(t, e) || (t->job->dry && tell(t, e)))
		return -1;
	if (t->totals->conflicts > 0)
		return conflicts(t, e);
	return t->job->dry ? 0 : fill(t, e);
}

/* Finish what an earlier call began: 1 if that was all there is to do, 0, -1. */
static int
resume(struct transaction *t, struct err *e)
{
	int n = open_plan(t, "undo", e);
	if (n < 0)
		return -1;
	if (n > 0) {
		if (tell(t, e) ||
		    (!t->job->dry && stages_find(t->stages, t->count, t->job->statefd, e) < 0))
			return -1;
		return t->job->dry || settle(t, e) == 0 ? 1 : -1;
	}
	const char *name = "plan";
	n = open_plan(t, name, e);
	if (n == 0)
		n = open_plan(t, name = "rollback", e);
	if (n < 0)
		return -1;
	if (n == 0 && t->job->dry)
		return 0;
	if (n == 0) {
		/* Without a plan nothing was done; a stage may be left all the same. */
		return stages_find(t->stages, t->count, t->job->statefd, e) < 0
			   ? -1
			   : stages_remove(t->stages, t->count, t->job->statefd, e);
	}
	if (t->job->dry) {
		err_set(e, ERR_BUSY, "an apply of this was cut off");
		return err_hint(e, "apply it again to finish it");
	}
	int whole = stages_find(t->stages, t->count, t->job->statefd, e);
	if (whole < 0)
		return -1;
	if (strcmp(name, "plan") == 0 && whole) {
		if (plan_to_end(t->plan, e))
			return -1;
		struct plan_step *last;
		t->steps = plan_previous(t->plan, &last, e) > 0 ? last->number : 0;
		return commit(t, e) ? -1 : 1;
	}
	if (strcmp(name, "plan") == 0 && rename_plan(t, "plan", "rollback", e))
		return -1;
	if (plan_to_end(t->plan, e) || roll_back(t, e))
		return -1;
	return t->totals->conflicts > 0 ? conflicts(t, e) : 0;
}

static int
run(struct transaction *t, struct err *e)
{
	int n = resume(t, e);
	if (n != 0 || t->job->clear)
		return n < 0 ? -1 : 0;
	if (prepare(t, e)) {
		if (!t->job->dry)
			abandon(t);
		return -1;
	}
	if (t->job->dry)
		return 0;
	if (rename_plan(t, "plan.new", "plan", e)) {
		abandon(t);
		return -1;
	}
	return commit(t, e);
}

int
apply(const struct apply_job *job, struct apply_totals *totals, struct err *e)
{
	struct transaction t = {.job = job, .totals = totals, .planfd = -1};
	int status = -1;
	*totals = (struct apply_totals){0};
	t.resources = calloc(job->count + 1, sizeof *t.resources);
	t.stages = calloc(job->count + 1, sizeof *t.stages);
	if (!t.resources || !t.stages) {
		err_memory(e);
		goto out;
	}
	for (size_t i = 0; i < job->count; i++)
		if (job->resources[i].writable)
			t.resources[t.count++] = job->resources[i];
	if (stages_open(t.resources, t.count, !job->dry, t.stages, e) == 0)
		status = run(&t, e);
	close_plan(&t);
	stages_close(t.stages, t.count);
out:
	free(t.resources);
	free(t.stages);
	return status;
}
