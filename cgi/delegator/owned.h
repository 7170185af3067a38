/*
 * lent - delegations, as those who asked for them over HTTP see them.
 *
 * A delegation belongs to the token that it was asked for with; for all others, and if it was made
 * by a command, it does not exist here.
 */
#ifndef DELEGATOR_OWNED_H
#define DELEGATOR_OWNED_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "state/record.h"

/* Open ${id} to read, for ${owner}; ERR_NOT_FOUND if it is not theirs. */
int lent_open(const char *id, const char *owner, struct record *r, struct err *e);

/* Is it over?  One that is completed but is just being applied is not: whoever waits for the end
 * looks into the directory then.  See also stream_kind. */
bool lent_over(const struct record *r);
int lent_look(const char *id, const char *owner, bool *over, struct err *e);

/* AWCP v1's delegation record, and the open questions, as a new reference; NULL out of memory. */
json_t *lent_record(const struct record *r);

/* The same in short, as for lists. */
json_t *lent_summary(const struct record *r);

/* Call ${each} for every delegation of ${owner} (NULL: of every caller), or for the unfinished ones
 * only, until it returns non-zero.  What cannot be read is passed over. */
int lent_list(const char *owner, bool unfinished, int (*each)(void *arg, const struct record *r),
	      void *arg, struct err *e);

#endif
