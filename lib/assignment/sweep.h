/*
 * assignment/sweep - ends the assignments whose time is over: their START did not come, or their
 * lease has ended.
 */
#ifndef ASSIGNMENT_SWEEP_H
#define ASSIGNMENT_SWEEP_H

#include "assignment/assignment.h"

/* Is a worker at work on ${r}, or its START on its way? */
bool assignment_is_busy(const struct record *r);

/* Has the time of the unfinished ${r} ended, and ${why}?  Not while its worker, which is to report
 * that, or its START is there.  *${when} is when its time ends or ended; 0 if that is unknown. */
bool assignment_is_over(const struct record *r, const struct assignment_policy *p, int64_t *when,
			struct err *why);

/* End all that are due: those without a START with ERR_START_EXPIRED, those without a lease with
 * ERR_EXPIRED, unless a worker is just doing that.  Returns how many slots became free. */
int assignment_sweep(const struct assignment_policy *p);

/* Fill ${why}: the lease has ended. */
void assignment_expired(struct err *why);

#endif
