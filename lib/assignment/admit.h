/*
 * assignment/admit - on which terms an INVITE is accepted, and whether at all.
 */
#ifndef ASSIGNMENT_ADMIT_H
#define ASSIGNMENT_ADMIT_H

#include "assignment/assignment.h"
#include "base/id.h"

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

#endif
