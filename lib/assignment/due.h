/*
 * assignment/due - when an assignment is due to be examined because of the time.
 *
 * assignments/.open/<id> has that as its time of modification, mostly in the future, so that a
 * sweep opens only the records that are due.  The record is the truth: a file with a wrong time is
 * put right by the next sweep.
 */
#ifndef ASSIGNMENT_DUE_H
#define ASSIGNMENT_DUE_H

#include "assignment/assignment.h"

#define ASSIGNMENT_DUE "assignment" /* the kind of its entries in due/ */

/* ${id}, which is in .open, is due at ${when}, ms since 1970. */
void assignment_set_due(const char *id, int64_t when);

/* When ${id} is due as .open says, ms since 1970; -1 if it is not there. */
int64_t assignment_due(const char *id);

/* ${r}, which was due at ${previous} (assignment_due), has ended: from now on it is due when its
 * retention ends. */
void assignment_due_ended(const struct record *r, int64_t previous);

/* Until when the ended ${record} is kept for its delegator, ms since 1970; -1 if that is
 * unknown. */
int64_t assignment_kept_until(const json_t *record);

/* ERR_START_EXPIRED if ${record} is pending and its START did not come in time. */
int assignment_overdue(const json_t *record, const struct assignment_policy *p, struct err *e);

#endif
