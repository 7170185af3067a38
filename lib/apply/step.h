/*
 * step - does and undoes one step of a plan.  Private to apply.
 *
 * There is no journal of steps: where the new and the old lie says how far a step got, so that each
 * can be done or undone again after a crash at any instruction.
 *
 *	new under its temporary name, old in its place	nothing is done
 *	the two exchanged				half done
 *	new in its place, old under its own		done
 *
 * The file system exchanges two names at once (RENAME_EXCHANGE), so a path is never absent, and the
 * check whether the old was what had been compared comes after the exchange, when nobody else can
 * reach it by that name.  Where there is no exchange, a hard link keeps the old.
 */
#ifndef APPLY_STEP_H
#define APPLY_STEP_H

#include "apply/stage.h"

/* Could ${step} be done now?  0, 1 with *${why} if ours is not what was compared, -1. */
int step_check(struct stage *s, const struct plan_step *step, const char **why, struct err *e);

/* Do ${step}: 0, 1 with *${why} if ours is not what was compared (then nothing is done), -1. */
int step_do(struct stage *s, const struct plan_step *step, const char **why, struct err *e);

/* Undo what was done of ${step}: 0, 1 with *${why} if what is there now is not what the step made
 * (it is left), -1. */
int step_undo(struct stage *s, const struct plan_step *step, const char **why, struct err *e);

#endif
