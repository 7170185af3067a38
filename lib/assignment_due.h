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

#include <stdint.h>

#include "assignment.h"
#include "err.h"

/* ${id} is to be looked at ${when}, ms since 1970. */
void assignment_due(const char *id, int64_t when);

/* Look at all that are due: who had no START in time is ended with ERR_START_EXPIRED, who has no
 * lease any more with ERR_EXPIRED, unless a worker is just doing that.  Returns how many places
 * came free. */
int assignment_sweep(const struct assignment_policy *p);

/* Fill ${why}: the lease has ended. */
void assignment_expired(struct err *why);

#endif
