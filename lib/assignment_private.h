/*
 * What the parts of assignment share: assignment.c (open, end), assignment_invite.c (INVITE),
 * assignment_start.c (START), assignment_run.c (the worker).
 */
#ifndef ASSIGNMENT_PRIVATE_H
#define ASSIGNMENT_PRIVATE_H

#include "assignment.h"
#include "fsm.h"

#define ASSIGNMENTS "assignments"
#define ASSIGNMENT_JOURNAL "events.ndjson"

/* Change the state by ${event}; the record's lock is held, and the caller saves it. */
int assignment_step(struct record *r, enum fsm_event event, struct err *e);

/* Write the end of ${r} by ${event}, because of ${why} (NULL: it went well): record first, then
 * journal.  The lock is held. */
int assignment_finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e);

#endif
