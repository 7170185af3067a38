/*
 * merge - puts together what two sides made of a file of text.  Private to apply.
 *
 * For every step of the kind PLAN_MERGE of a draft the three versions are laid out in merge/ of the
 * state directory and given to git merge-file.  What comes of it goes to fresh/ and the step
 * becomes a change; or it becomes a conflict, and the step is left out.
 */
#ifndef APPLY_MERGE_H
#define APPLY_MERGE_H

#include "apply/private.h"

/* Does ${draft} have such steps?  1, 0, -1. */
int apply_merge_needed(struct plan *draft, struct err *e);

/* Write the plan for the draft ${t}->plan to ${planfd}; reports and counts what was settled and
 * what could not be.  A dry run leaves nothing in fresh/. */
int apply_merge(struct transaction *t, int planfd, struct err *e);

#endif
