/*
 * apply_plan - decides, path by path, what an apply will do.  Private to apply.
 */
#ifndef APPLY_DECIDE_H
#define APPLY_DECIDE_H

#include "apply/apply.h"
#include "apply/plan.h"

/* Compare base, theirs and ours of the ${count} ${resources} (all "rw"; ${roots} are descriptors of
 * their directories) and write the steps to ${planfd}.  Conflicts are told and counted, but for
 * those that apply_merge is to try: they become steps of the kind PLAN_MERGE. */
int apply_plan(const struct apply_job *job, const struct resource *resources, const int *roots,
	       size_t count, int planfd, struct apply_totals *totals, struct err *e);

/* Tell ${job} about ${step} and count it. */
void apply_tell(const struct apply_job *job, const struct plan_step *step,
		struct apply_totals *totals);

/* Tell ${job} about a conflict and count it. */
void apply_tell_conflict(const struct apply_job *job, const char *path, const char *why,
			 struct apply_totals *totals);

/* Tell ${job} how the conflict at ${path} was settled and count it. */
void apply_tell_settled(const struct apply_job *job, const char *path, const char *why,
			enum apply_settle how, struct apply_totals *totals);

#endif
