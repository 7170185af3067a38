/*
 * assignment/slots - admission control: how many assignments are unfinished, of all and of one
 * owner, and how many INVITEs an owner sends a minute.
 *
 *	assignments/.open/<id>             an unfinished assignment: a slot that is taken
 *	assignments/.owners/<owner>/<id>   the same, of an owner with a limit; entries that are no
 *	                                   longer in .open are removed when slots get short
 *	assignments/.owners/<owner>/.rate  when the owner's next INVITE would be on time
 *	assignments/.admission             how many slots were ever taken, and the lock for that
 *
 * The lock is held only to count, and to create a directory and an empty file; never while
 * something is made durable.  Counting does not read .open each time: since the last count there
 * cannot be more than that and what any process has taken since.  Only when this reaches the limit
 * are the entries counted again.  So the limit is never exceeded, and nobody is turned away while
 * there is a free slot.
 */
#ifndef ASSIGNMENT_SLOTS_H
#define ASSIGNMENT_SLOTS_H

#include "assignment/assignment.h"

struct assignment_slot {
	const char *id, *owner;
	const struct token_limits *limits; /* of the owner */
	const struct assignment_policy *policy;
};

/* Take slot ${s}, or with ${acquire} false only check that there is one; again, if a sweep made
 * some free.  Returns 1 if it is taken now, 0 if its id has one already, or there is one; -1 with
 * ERR_DECLINED and a time to try again when there is none. */
int assignment_slot_take(const struct assignment_slot *s, bool acquire, struct err *e);

/* Give back a slot that was taken for an assignment that was not recorded. */
void assignment_slot_release(const char *id);

/* Count one INVITE of ${owner} against ${rate} a minute; ERR_DECLINED and a time to try again if
 * there are too many. */
int assignment_rate_take(const char *owner, long long rate, struct err *e);

#endif
