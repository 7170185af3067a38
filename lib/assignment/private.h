/* What the files of assignment/ share, and reap/ uses. */
#ifndef ASSIGNMENT_PRIVATE_H
#define ASSIGNMENT_PRIVATE_H

#include "assignment/assignment.h"
#include "wire/fsm.h"

#define ASSIGNMENT_BUSY "run.lock" /* held by its worker, and while its START arrives */

/* Alters the locked ${r} and saves or removes it. */
typedef int assignment_work(struct record *r, const void *arg, struct err *e);

/* Open ${id} of ${owner} for change, have ${work} do its part, close it, and run the hook of its
 * new state if it has one. */
int assignment_change(const char *id, const char *owner, assignment_work *work, const void *arg,
		      struct err *e);

/* The same for ${r}, which is open, locked and checked. */
int assignment_change_open(struct record *r, assignment_work *work, const void *arg, struct err *e);

/* Change the state by ${event}; the record's lock is held, and the caller saves it. */
int assignment_step(struct record *r, enum fsm_event event, struct err *e);

/* Write the end of ${r} by ${event}, because of ${why} (NULL: it went well): record first, then
 * journal.  The lock is held. */
int assignment_finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e);

/* Close ${r}, which has just been given another state, and run the hook of that: "started",
 * "completed" or "error". */
void assignment_close_changed(struct record *r);

/* ${r} was not opened because of ${why}: remove its directory if that is all there is of it. */
void assignment_discard_empty(struct record *r, const struct err *why);

/* Set by assignment_policy: an id alone opens nothing. */
extern bool assignment_strict;

#endif
