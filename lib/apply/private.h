/*
 * apply/private - one apply under way, as the parts of apply share it.
 */
#ifndef APPLY_PRIVATE_H
#define APPLY_PRIVATE_H

#include "apply/apply.h"
#include "apply/plan.h"
#include "tree/compare.h"

struct transaction {
	const struct apply_job *job;
	struct apply_totals *totals;
	struct resource *resources; /* the writable ones; their content is the job's */
	struct stage *stages;       /* one for each, see stage.h */
	size_t count;
	int planfd;
	struct plan *plan;
	uint64_t steps;    /* of the plan */
	char guarded[256]; /* the first paths that are conflicts for that, with commas */
};

/*
 * decide - decides, path by path, what an apply will do.
 */

/* Compare base, theirs and ours and write the steps to ${t}->planfd.  Conflicts are reported and
 * counted, but for those that apply_merge is to try: they become steps of the kind PLAN_MERGE. */
int apply_decide(struct transaction *t, struct err *e);

/*
 * merge - puts together what two sides made of a file of text.
 *
 * For every step of the kind PLAN_MERGE of a draft the three versions are laid out in merge/ of the
 * state directory and given to git merge-file.  What comes of it goes to fresh/ and the step
 * becomes a change; or it becomes a conflict, and the step is left out.
 */

/* Does ${draft} have such steps?  1, 0, -1. */
int apply_merge_needed(struct plan *draft, struct err *e);

/* Write the plan for the draft ${t}->plan to ${planfd}; reports and counts what was settled and
 * what could not be.  A dry run leaves nothing in fresh/. */
int apply_merge(struct transaction *t, int planfd, struct err *e);

/*
 * undo - reverses the plan of an apply that was done.
 *
 * Path by path, as in an apply: what apply made is base, what it found is theirs, what is there now
 * is ours.  A path that was changed since is a conflict, one that is as it was before is left.
 */

/* Write the plan that undoes the apply in the job's donefd to ${t}->planfd, and what it puts back
 * to fresh/ (not in a dry run).  Conflicts are reported and counted.  ERR_NOT_FOUND if the old
 * files are not kept any more. */
int apply_undo_plan(struct transaction *t, struct err *e);

/*
 * report - reports to the caller of an apply what becomes of each path, and counts it.
 */

/* Report ${step} and count it. */
void apply_report_step(const struct transaction *t, const struct plan_step *step);

/* Report a conflict at ${path} and count it. */
void apply_report_conflict(const struct transaction *t, const char *path, const char *why);

/* Report a conflict at ${path} for its being guarded, and count it. */
void apply_report_guarded(struct transaction *t, const char *path, const char *why);

/* Report and count what ${c} withheld. */
void apply_report_withheld(const struct transaction *t, const struct compare *c);

/* Report how the conflict at ${path} was settled and count it. */
void apply_report_settled(const struct transaction *t, const char *path, const char *why,
			  enum apply_settle how);

#endif
