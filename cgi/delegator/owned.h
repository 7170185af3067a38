/*
 * delegator/owned - delegations as those who asked for them over HTTP see them.
 *
 * A delegation belongs to the token that asked for it; for all others, and if it was made by a
 * command, it does not exist here.
 */
#ifndef DELEGATOR_OWNED_H
#define DELEGATOR_OWNED_H

#include "state/record.h"

/* Open ${id} to read, for ${owner}; ERR_NOT_FOUND if it is not theirs. */
int owned_open(const char *id, const char *owner, struct record *r, struct err *e);

/* May ${owner} see ${id}?  *${over}: it is not open any more (delegation_is_open), and its journal
 * is complete; see stream_kind.  One that is being applied is not over: whoever waits for the end
 * reads the directory then. */
int owned_check(const char *id, const char *owner, bool *over, struct err *e);

/* Is somebody following ${r}?  One that is just starting may be missed, or be put off for the
 * moment that this takes: it tries again, and one of two gives way. */
bool owned_followed(const struct record *r);

/* Is the lease of ${r} over, without its end being known, and nobody at work on it any more?  Who
 * waits for it is told that it has expired, though what its executor holds may still come. */
bool owned_overdue(const struct record *r);

/* AWCP v1's delegation record, and the open questions, as a new reference; NULL out of memory. */
json_t *owned_record(const struct record *r);

/* The same in short, as for lists. */
json_t *owned_summary(const struct record *r);

/* Call ${each} for every delegation of ${owner} (NULL: of every caller), or for the unfinished ones
 * only, until it returns non-zero.  What cannot be read is skipped. */
int owned_list(const char *owner, bool unfinished, int (*each)(void *arg, const struct record *r),
	       void *arg, struct err *e);

#endif
