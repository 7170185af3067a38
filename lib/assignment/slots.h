/*
 * assignment_room - how many assignments are in hand, and who has room for one more.
 *
 *	assignments/.open/<id>             an unfinished assignment: a place that is taken
 *	assignments/.owners/<owner>/<id>   the same, of an owner who may have only so many; what is
 *	                                   in .open no more is swept out when room gets short
 *	assignments/.owners/<owner>/.rate  when the owner's next INVITE would be on time
 *	assignments/.admission             how many places were ever taken, and the lock for that
 *
 * The lock is held only to count, and to create a directory and an empty file; never while
 * something is made durable.  To count does not mean to read .open each time: from the last count
 * on, there cannot be more than that and what was taken since, by any process.  Only when this
 * comes up to the limit it is counted anew.  So the limit is never exceeded, and nobody is turned
 * away while there is room.
 */
#ifndef ASSIGNMENT_SLOTS_H
#define ASSIGNMENT_SLOTS_H

#include <stdbool.h>

#include "assignment/assignment.h"
#include "base/err.h"
#include "access/token.h"

/* Take a place for ${id} of ${owner}.  Returns 1 if it is taken now, 0 if ${id} has one already; -1
 * with ERR_DECLINED and a time to come back when there is none.  With ${look} nothing is taken, but
 * the answer is the same: 1 for room. */
int assignment_room_take(const char *id, const char *owner, const struct token_limits *l,
			 const struct assignment_policy *p, bool look, struct err *e);

/* Give a place back that was taken for an assignment that did not come to be. */
void assignment_room_leave(const char *id);

/* Count one INVITE of ${owner} against ${rate} a minute; ERR_DECLINED and a time to come back if it
 * is one too many. */
int assignment_room_rate(const char *owner, long long rate, struct err *e);

#endif
