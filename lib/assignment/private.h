/*
 * What the parts of assignment share: assignment.c (open, end), assignment_invite.c (INVITE),
 * assignment_admit.c (on which terms), assignment_room.c (who has room), assignment_start.c
 * (START), assignment_run.c (the worker), assignment_due.c (the time).
 */
#ifndef ASSIGNMENT_PRIVATE_H
#define ASSIGNMENT_PRIVATE_H

#include "assignment/assignment.h"
#include "wire/fsm.h"
#include "base/id.h"

#define ASSIGNMENTS "assignments"
#define ASSIGNMENT_JOURNAL "events.ndjson"
#define ASSIGNMENT_BUSY "run.lock" /* held by its worker, and while its START arrives */

/* Change the state by ${event}; the record's lock is held, and the caller saves it. */
int assignment_step(struct record *r, enum fsm_event event, struct err *e);

/* Write the end of ${r} by ${event}, because of ${why} (NULL: it went well): record first, then
 * journal.  The lock is held. */
int assignment_finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e);

/* May ${invite} of ${g} be taken on these terms, apart from room?  ERR_DECLINED if not.  Counts it
 * against the rate of the token. */
int assignment_terms(const json_t *invite, const struct assignment_guest *g,
		     const struct assignment_policy *p, struct err *e);

/* What does the operator's own program say of ${invite}?  ERR_DECLINED if it refuses, or cannot be
 * asked: it might have refused. */
int assignment_ask_hook(const json_t *invite, const struct assignment_guest *g, struct err *e);

/* What is said when the reason is nobody's business: so a hook declines without words, and so does
 * an id that somebody else has, which nobody shall learn.  Returns -1. */
int assignment_not_taken(struct err *e);

/* The queue that ${invite} asks for (an extension), or that its sender is given, which may be
 * written to ${first}; NULL if it may not.  Whoever is allowed none by name has the usual one. */
const char *assignment_queue(const json_t *invite, const struct token_limits *l,
			     char first[ID_MAX + 1]);

/* ${invite} without what is secret in it; a new reference. */
json_t *assignment_without_auth(const json_t *invite);

/* ERR_START_EXPIRED if ${record} is pending and its START did not come in time. */
int assignment_overdue(const json_t *record, const struct assignment_policy *p, struct err *e);

/* ${r} was not opened, for ${why}: remove its directory if that is all there is of it. */
void assignment_never_was(struct record *r, const struct err *why);

/* Close ${r}; if it has just ended (${status} is 0) the hook "completed" or "error" is told. */
void assignment_close(struct record *r, int status);

/* Set by assignment_policy: an id alone opens nothing. */
extern bool assignment_strict;

#endif
