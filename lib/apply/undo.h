/*
 * apply_undo - turns the plan of an apply that was done round.  Private to apply.
 *
 * Path by path, as in an apply: what apply made is base, what it found is theirs, what is there now
 * is ours.  A path that was changed since is a conflict, one that is as it was before is left.
 */
#ifndef APPLY_UNDO_H
#define APPLY_UNDO_H

#include "apply/stage.h"

/* Write the plan that undoes the apply in ${job}->donefd to ${planfd}, and what it puts back to
 * fresh/ (not with ${job}->dry).  Conflicts are told and counted.  ERR_NOT_FOUND if the old files
 * are not kept any more. */
int apply_undo_plan(const struct apply_job *job, struct stage *s, size_t count, int planfd,
		    struct apply_totals *totals, struct err *e);

#endif
