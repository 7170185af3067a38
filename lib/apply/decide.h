/*
 * decide - decides, path by path, what an apply will do.  Private to apply.
 */
#ifndef APPLY_DECIDE_H
#define APPLY_DECIDE_H

#include "apply/private.h"

/* Compare base, theirs and ours and write the steps to ${t}->planfd.  Conflicts are reported and
 * counted, but for those that apply_merge is to try: they become steps of the kind PLAN_MERGE. */
int apply_decide(struct transaction *t, struct err *e);

#endif
