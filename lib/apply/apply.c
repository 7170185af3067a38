/*
 * apply - takes what came back into the directory it was lent from.  See apply.h.
 *
 * How far a transaction got is the name of its plan in the state directory:
 *
 *	plan.new	being written, or all was undone; nothing has changed, it may be thrown away
 *			when what was staged for it is cleared away
 *	plan		new files are staged; steps are being done, or half done: go on
 *	rollback	a step could not be done: steps are being undone, go on with that
 *	undo		all steps are done; old files go to kept/.  Stays, for an undo
 *
 * Each name is given by one rename, after what it says was made durable.
 */
#include "apply/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/step.h"
#include "base/file.h"
#include "base/id.h"

/* How far an earlier call got. */
enum phase { NOT_BEGUN, DOING, UNDOING, DONE };

static const char *const plan_names[] = {
    [NOT_BEGUN] = PLAN_NEW, [DOING] = "plan", [UNDOING] = "rollback", [DONE] = "undo"};

/* Give the plan the name of its next phase. */
static int
enter_phase(struct transaction *t, enum phase from, enum phase to, struct err *e)
{
	int statefd = t->job->statefd;

	if (renameat(statefd, plan_names[from], statefd, plan_names[to]) < 0)
		return err_sys(e, "cannot rename the plan");
	return file_sync_dir(statefd, e);
}

/* Find the phase and open its plan, if there is one. */
static int
read_phase(struct transaction *t, enum phase *phase, struct err *e)
{
	static const enum phase order[] = {DONE, DOING, UNDOING};

	*phase = NOT_BEGUN;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		t->planfd = openat(t->job->statefd, plan_names[order[i]],
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (t->planfd < 0 && errno == ENOENT)
			continue;
		if (t->planfd < 0)
			return err_sys(e, "cannot open the plan");
		*phase = order[i];
		return transaction_read_plan(t, e);
	}
	return 0;
}

/* Undo the steps before this place of the plan, which has the name of UNDOING. */
static int
roll_back(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n;

	while ((n = plan_previous(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t, step->path);
		bool lost = t->token[0] == '\0' && s != NULL && s->treefd < 0;
		int status = s != NULL && !lost ? step_undo(s, step, &why, e) : 0;
		if (status < 0)
			return -1;
		if (status > 0)
			apply_report_conflict(t, step->path, why);
	}
	/* What is staged goes when the plan needs it no more. */
	if (n < 0 || stages_keep(t, e) < 0 || enter_phase(t, UNDOING, NOT_BEGUN, e) < 0 ||
	    stages_clear(t, e) < 0 || stages_remove(t, e) < 0 || stages_end(t, false, e) < 0)
		return -1;
	if (unlinkat(t->job->statefd, plan_names[NOT_BEGUN], 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	if (file_sync_dir(t->job->statefd, e) < 0)
		return -1;
	transaction_close_plan(t);
	return 0;
}

/* A step failed, ${e} says why: undo what was done. */
static int
give_up(struct transaction *t, struct err *e)
{
	struct err second;

	if (enter_phase(t, DOING, UNDOING, &second) < 0 || roll_back(t, &second) < 0)
		return err_hint(e, "it could not be undone (%.150s); run it again", second.message);
	return -1;
}

/* All steps are done: from here on the transaction is. */
static int
finish_apply(struct transaction *t, struct err *e)
{
	if (stages_keep(t, e) < 0 || stages_remove(t, e) < 0 || stages_end(t, true, e) < 0)
		return -1;
	transaction_close_plan(t);
	return 0;
}

/* Do the steps of the plan, which is durable and has the name of DOING. */
static int
commit(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	const char *why;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t, step->path);
		int status = s != NULL ? step_do(s, step, &why, e) : 0;
		if (status == 0)
			continue;
		if (status > 0) {
			apply_report_conflict(t, step->path, why);
			transaction_conflicts(t, e);
		}
		return give_up(t, e);
	}
	if (n < 0)
		return -1;
	if (stages_sync(t, e) < 0 || stages_in_place(t, e) < 0) {
		struct err second;
		return plan_to_end(t->plan, &second) < 0 ? -1 : give_up(t, e);
	}
	if (enter_phase(t, DOING, DONE, e) < 0 || transaction_report(t, e) < 0)
		return -1;
	return finish_apply(t, e);
}

/* Nothing has changed yet, and nothing will.  The first error is the one to report, and leftovers
 * are cleared away next time. */
static void
abandon(struct transaction *t)
{
	struct err ignored;
	bool clear = t->plan == NULL || !t->staged ||
		     (stages_clear(t, &ignored) == 0 && stages_remove(t, &ignored) == 0 &&
		      stages_end(t, false, &ignored) == 0);

	transaction_close_plan(t);
	if (!clear)
		return;
	unlinkat(t->job->statefd, plan_names[NOT_BEGUN], 0);
	file_remove_tree(t->job->statefd, "fresh", NULL);
}

/* An apply that was cut off in the midst of its steps goes on; or back, where what an earlier
 * version staged is not whole any more. */
static int
resume_steps(struct transaction *t, enum phase phase, bool *over, struct err *e)
{
	int whole = stages_find(t, e);

	if (whole < 0)
		return -1;
	if (phase == DOING && whole > 0) {
		*over = true;
		return transaction_count(t, e) < 0 ? -1 : commit(t, e);
	}
	if (phase == DOING && enter_phase(t, DOING, UNDOING, e) < 0)
		return -1;
	if (plan_to_end(t->plan, e) < 0 || roll_back(t, e) < 0)
		return -1;
	return t->totals->conflicts > 0 ? transaction_conflicts(t, e) : 0;
}

/* Nothing was done; but something may be staged, if the plan is whole. */
static int
clear_unbegun(struct transaction *t, struct err *e)
{
	struct err none;

	t->planfd =
	    openat(t->job->statefd, plan_names[NOT_BEGUN], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (t->planfd < 0 && errno != ENOENT)
		return err_sys(e, "cannot open the plan");
	if (t->planfd >= 0 && transaction_read_plan(t, &none) == 0 &&
	    plan_to_end(t->plan, &none) < 0) {
		plan_close(t->plan);
		t->plan = NULL;
	}
	if (stages_find(t, e) < 0)
		return -1;
	bool whole = t->plan != NULL && t->token[0] != '\0';
	if ((whole && stages_clear(t, e) < 0) || stages_remove(t, e) < 0 ||
	    (whole && stages_lock(t, false, e) < 0))
		return -1;
	transaction_close_plan(t);
	return 0;
}

/* Finish what an earlier call began; *${over} if that was all there is to do. */
static int
resume(struct transaction *t, bool *over, struct err *e)
{
	enum phase phase;

	*over = false;
	if (read_phase(t, &phase, e) < 0)
		return -1;
	switch (phase) {
	case NOT_BEGUN:
		return t->job->dry ? 0 : clear_unbegun(t, e);
	case DONE:
		*over = true;
		if (transaction_report(t, e) < 0)
			return -1;
		if (t->job->dry)
			return 0;
		return stages_find(t, e) < 0 ? -1 : finish_apply(t, e);
	default:
		if (!t->job->dry)
			return resume_steps(t, phase, over, e);
		err_set(e, ERR_BUSY, "an apply of this was cut off");
		return err_hint(e, "apply it again to finish it");
	}
}

static int
run_transaction(struct transaction *t, struct err *e)
{
	bool over;

	if (resume(t, &over, e) < 0)
		return -1;
	if (over || t->job->clear)
		return 0;
	int status = transaction_prepare(t, e);
	if (t->job->dry)
		return status;
	if (status == 0 && enter_phase(t, NOT_BEGUN, DOING, e) == 0)
		return commit(t, e);
	/* It may have got its name, and not durably. */
	(void)renameat(t->job->statefd, plan_names[DOING], t->job->statefd, plan_names[NOT_BEGUN]);
	abandon(t);
	return -1;
}

int
apply(const struct apply_job *job, struct apply_totals *totals, struct err *e)
{
	struct transaction t = {.job = job, .totals = totals, .planfd = -1};
	int status = -1;

	*totals = (struct apply_totals){0};
	t.resources = calloc(job->count + 1, sizeof *t.resources);
	t.stages = calloc(job->count + 1, sizeof *t.stages);
	if (t.resources == NULL || t.stages == NULL) {
		err_memory(e);
		goto out;
	}
	for (size_t i = 0; i < job->count; i++)
		if (job->resources[i].writable)
			t.resources[t.count++] = job->resources[i];
	if (stages_open(&t, e) == 0)
		status = run_transaction(&t, e);
	transaction_close_plan(&t);
	stages_close(&t);
out:
	free(t.resources);
	free(t.stages);
	return status;
}
