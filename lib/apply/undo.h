/*
 * undo - reverses the plan of an apply that was done.  Private to apply.
 *
 * Path by path, as in an apply: what apply made is base, what it found is theirs, what is there now
 * is ours.  A path that was changed since is a conflict, one that is as it was before is left.
 */
#ifndef APPLY_UNDO_H
#define APPLY_UNDO_H

#include "apply/private.h"

/* Write the plan that undoes the apply in the job's donefd to ${t}->planfd, and what it puts back
 * to fresh/ (not in a dry run).  Conflicts are reported and counted.  ERR_NOT_FOUND if the old
 * files are not kept any more. */
int apply_undo_plan(struct transaction *t, struct err *e);

#endif
