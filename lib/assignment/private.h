/* What the files of assignment/ share, and reap/ uses. */
#ifndef ASSIGNMENT_PRIVATE_H
#define ASSIGNMENT_PRIVATE_H

#include "assignment/assignment.h"
#include "base/id.h"
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

/* admit.c: on which terms an INVITE is accepted, and whether at all. */

/* May ${invite} of ${by} be accepted on these terms, apart from slots?  ERR_DECLINED if not.
 * Counts it against the rate of the token. */
int assignment_check_terms(const json_t *invite, const struct assignment_inviter *by,
			   const struct assignment_policy *p, struct err *e);

/* What does the operator's own program say of ${invite}?  ERR_DECLINED if it refuses, or cannot be
 * asked: it might have refused. */
int assignment_ask_hook(const json_t *invite, const struct assignment_inviter *by, struct err *e);

/* The refusal of a hook that gives no reason, and of an id that somebody else has, which nobody
 * may learn.  Returns -1. */
int assignment_decline_silently(struct err *e);

/* The queue that ${invite} asks for (an extension), or else the first that its sender may use,
 * which may be written to ${first}; NULL if it may not have that one.  A sender without named
 * queues gets ASSIGNMENT_QUEUE. */
const char *assignment_choose_queue(const json_t *invite, const struct token_limits *l,
				    char first[ID_MAX + 1]);

/* ${invite} without what is secret in it; a new reference. */
json_t *assignment_without_auth(const json_t *invite);

/* slots.c */

struct assignment_slot {
	const char *id;
	const struct token *token; /* whose it is to be */
	const struct assignment_policy *policy;
};

/* Take slot ${s}, or with ${acquire} false only check that there is one; again, if a sweep made
 * some free.  Returns 1 if it is taken now, 0 if its id has one already, or there is one; -1 with
 * ERR_DECLINED and a time to try again when there is none. */
int assignment_slot_take(const struct assignment_slot *s, bool acquire, struct err *e);

/* Give back a slot that was taken for an assignment that was not recorded. */
void assignment_slot_release(const char *id);

/* Count one INVITE of token ${owner} against ${rate} a minute; ERR_DECLINED and a time to try again
 * if there are too many. */
int assignment_rate_take(const char *owner, long long rate, struct err *e);

#endif
