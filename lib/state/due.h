/*
 * due - when what is to be looked at.
 *
 *	due/<YYYYMMDDTHH>/<MM>/<kind>:<id>	an empty file; it was modified at the very time
 *
 * Hours and minutes are UTC.  Whoever changes a record notes here when time alone will ask for the
 * next step: the end of a lease, of a retention.  awcp-reap then reads only the minutes that have
 * come, however many records there are.
 *
 * It is a hint.  An entry that is out of date makes awcp-reap look at a record once too often, for
 * what is to be done is decided by the record, under its lock; one that is missing is made again by
 * the slow walk that awcp-reap makes through all records.  So nothing here is made durable, and
 * nothing fails because of it.
 */
#ifndef STATE_DUE_H
#define STATE_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#define DUE_KIND 31 /* longest kind, bytes; letters and - */

/* ${kind} ${id} is to be looked at ${when}, ms since 1970.  For a record: under its lock, so that
 * an entry is not dropped by someone who saw the record before. */
void due_set(const char *kind, const char *id, int64_t when);

/* The same, but the entry is another name of the file ${name} in ${dirfd}, which was modified at
 * that time, for a file less to be made.  It takes the place of that for ${before}, -1: there was
 * none. */
void due_move(const char *kind, const char *id, int64_t before, int64_t when, int dirfd,
	      const char *name);

/* It is not, after all. */
void due_clear(const char *kind, const char *id, int64_t when);

struct due_entry {
	char kind[DUE_KIND + 1];
	char id[ID_MAX + 1];
	int64_t when; /* ms since 1970; the beginning of its minute if that is over */
};

struct due;

/* Begin to go through all that is due ${until}, ms since 1970, the oldest minute first. */
struct due *due_open(int64_t until, struct err *e);

/* The next entry in *${entry}: 1; 0 at the end, -1.  What is no entry of ours is passed over. */
int due_next(struct due *d, struct due_entry *entry, struct err *e);

/* The entry that due_next returned last was dealt with: it goes.  For a record: under its lock. */
void due_drop(struct due *d);

/* The same, but ${entry}, which it was, is due again ${when}. */
void due_later(struct due *d, const struct due_entry *entry, int64_t when);

/* ${tidy}: the hours and minutes that are over and empty go. */
void due_close(struct due *d, bool tidy);

#endif
