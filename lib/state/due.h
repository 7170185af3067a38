/*
 * due - when records need attention.
 *
 *	due/<YYYYMMDDTHH>/<MM>/<kind>:<id>	an empty file, modified at the exact time
 *
 * Hours and minutes are UTC.  Whoever changes a record notes here when time alone will require the
 * next step: the end of a lease, of a retention.  awcp-reap then reads only the minutes that have
 * come, however many records there are.
 *
 * It is a hint.  An entry that is out of date costs awcp-reap one look at a record too many, since
 * the record decides, under its lock; a missing entry is added by the slow walk of awcp-reap
 *through all records.  So nothing here is made durable, and nothing fails because of it.
 */
#ifndef STATE_DUE_H
#define STATE_DUE_H

#include "base/id.h"

#define DUE_KIND 31 /* longest kind, bytes; letters and - */

/* ${kind} ${id} is due ${when}, ms since 1970.  For a record: under its lock, so that nobody who
 * saw the record before drops the entry. */
void due_set(const char *kind, const char *id, int64_t when);

/* The same, but the entry is another name of the file ${name} in ${dirfd}, which was modified at
 * that time, which saves making a file.  It replaces the entry for ${previous}, -1: none. */
void due_move(const char *kind, const char *id, int64_t previous, int64_t when, int dirfd,
	      const char *name);

/* It is not due ${when}, after all. */
void due_clear(const char *kind, const char *id, int64_t when);

struct due_entry {
	char kind[DUE_KIND + 1];
	char id[ID_MAX + 1];
	int64_t when; /* ms since 1970; the beginning of its minute if that is over */
};

struct due;

/* Start to read all that is due ${until}, ms since 1970, the oldest minute first. */
struct due *due_open(int64_t until, struct err *e);

/* The next entry in *${entry}: 1; 0 at the end, -1.  Files that are not entries are skipped. */
int due_next(struct due *d, struct due_entry *entry, struct err *e);

/* Remove the entry that due_next returned last.  For a record: under its lock. */
void due_drop(struct due *d);

/* The same, but ${entry}, which it was, is due again ${when}. */
void due_later(struct due *d, const struct due_entry *entry, int64_t when);

/* ${tidy}: remove the hours and minutes that are over and empty. */
void due_close(struct due *d, bool tidy);

#endif
