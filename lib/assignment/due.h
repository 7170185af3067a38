/*
 * assignment_due - what happens to an assignment because of the time: its START did not come, or
 * its lease has ended.
 *
 * assignments/.open/<id> was modified, as its file says, when this is to be looked at; mostly in
 * the future.  So a sweep opens only the records that are due.  The record is the truth: a file
 * with a wrong time is put right by the next sweep.
 */
#ifndef ASSIGNMENT_DUE_H
#define ASSIGNMENT_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "assignment/assignment.h"
#include "base/err.h"

#define ASSIGNMENT_DUE "assignment" /* the kind of its entries in due/ */

/* ${id}, which is in .open, is to be looked at ${when}, ms since 1970. */
void assignment_due(const char *id, int64_t when);

/* When ${id} is to be looked at as .open says, ms since 1970; -1 if it is not there. */
int64_t assignment_noted(const char *id);

/* ${r}, which was to be looked at ${before} (assignment_noted), has ended: from now on it is due
 * when it need not be kept any more. */
void assignment_due_ended(const struct record *r, int64_t before);

/* Until when the ended ${record} is kept for its delegator, ms since 1970; -1 if that cannot be
 * told. */
int64_t assignment_kept_until(const json_t *record);

/* Is a worker at work on ${r}, or its START on its way? */
bool assignment_is_busy(const struct record *r);

/* Has the unfinished ${r} come to its end, and ${why}?  Not while its worker, which is to tell, or
 * its START is there.  *${when} is when its time ends or ended; 0 if that cannot be told. */
bool assignment_is_over(const struct record *r, const struct assignment_policy *p, int64_t *when,
			struct err *why);

/* Look at all that are due: who had no START in time is ended with ERR_START_EXPIRED, who has no
 * lease any more with ERR_EXPIRED, unless a worker is just doing that.  Returns how many places
 * came free. */
int assignment_sweep(const struct assignment_policy *p);

/* Fill ${why}: the lease has ended. */
void assignment_expired(struct err *why);

#endif
