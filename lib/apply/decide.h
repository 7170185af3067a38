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

#endif
