/*
 * feed - what happened to one subject, in order, to be read and waited for by anyone.
 *
 * An entry is a JSON object with a sequence number, and becomes visible whole and in the order of
 * the numbers: who reads on after a number misses nothing.  A feed may begin anew (an assignment
 * that is invited again); who was reading the previous one then reads the new one from its start.
 *
 * The feed of an assignment or a delegation is its journal, <collection>/<subject>/events.ndjson,
 * one line an entry, numbered from 1.  An entry of type "done" or "error" is the last.  Other
 * feeds, such as the changes of a queue, have a struct feed_kind of their own.
 *
 * A journal is not trimmed: it goes with its subject.  What will be trimmed is so from its start,
 * and reading on from a place before that is ERR_EXPIRED, as it is in a queue.
 */
#ifndef FEED_FEED_H
#define FEED_FEED_H

#include <jansson.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/watch.h"

#define FEED_JOURNAL "events.ndjson"
#define FEED_ENTRY (1024 * 1024) /* max bytes of a journal's entry */

struct feed_kind;

/* Which feed; plain data that holds nothing open. */
struct feed {
	const struct feed_kind *kind;
	const char *collection; /* of a journal: "assignments" */
	const char *subject;    /* an id */
	const char *owner;      /* whose entries are read, where the kind asks; or NULL */
	const void *handle;     /* what the kind needs beside; or NULL */
};

/* How far a feed reaches. */
struct feed_extent {
	uint64_t inode; /* with ${born}, which one it is; 0: there is none yet */
	int64_t born;   /* ns */
	off_t size;
};

/* A place in a feed.  All zero: before the first entry. */
struct feed_cursor {
	struct feed_extent extent; /* of the feed that it is a place in */
	off_t offset;
	uint64_t seq; /* of the entry before it */
};

struct feed_reader {
	struct feed feed;
	struct feed_cursor at; /* after the last entry that was read; may be set */
	int fd;                /* private, as all that follows */
	struct buf line;
	struct watch *watch;
};

struct feed_kind {
	/* As feed_extent. */
	int (*extent)(const struct feed *f, struct feed_extent *now, struct err *e);
	/* As feed_next. */
	int (*next)(struct feed_reader *r, json_t **entry, struct err *e);
	/* The directory in which file ${written} changes with every entry. */
	void (*directory)(const struct feed *f, char *path, size_t size);
	const char *written;
};

extern const struct feed_kind feed_journal;

/* Append ${entry} to the journal of the subject with directory ${dirfd}, whose lock is held. Where
 * that may have been done before a crash, ${once} appends nothing after an entry of the same type
 * or after the last one.  An entry "status" only tells how it goes: ERR_TOO_LARGE where the journal
 * has AWCP_MAX_EVENTS bytes, and ERR_NO_SPACE where the disk is nearly full (state/space.h). */
int feed_append(int dirfd, const json_t *entry, bool once, bool durable, struct err *e);

/* Begin the journal of the subject with directory ${dirfd} anew. */
int feed_restart(int dirfd, struct err *e);

/* True for an entry after which there is none. */
bool feed_is_last(const json_t *entry);

/* How far ${f} reaches now; -1 if there is none. */
int feed_extent(const struct feed *f, struct feed_extent *now, struct err *e);

/* The feed of ${c} reaches as far as ${now}: if it has begun anew, move ${c} to the start and
 * return true. */
bool feed_follow(struct feed_cursor *c, const struct feed_extent *now);

/* Read ${f}, whose strings stay the caller's, after ${at} (NULL: from the start). */
void feed_open(struct feed_reader *r, const struct feed *f, const struct feed_cursor *at);

/* The next entry.  Returns 1 and *${entry}, a new reference, or NULL if it is nothing for the
 * owner; 0 if there is none yet; or -1.  ERR_BAD_MESSAGE: it is damaged, and was passed.
 * ${entry} may be NULL, if only the place matters. */
int feed_next(struct feed_reader *r, json_t **entry, struct err *e);

/* Wait at most ${ms} for entries, or for ${fd} (-1: none), as watch_wait; the first call returns 1
 * at once.  Returns -1 if it cannot wait. */
int feed_wait(struct feed_reader *r, int fd, int ms, struct err *e);

void feed_close(struct feed_reader *r);

/* Watch ${f} in ${set} under ${mark}; see watch_set_add. */
int feed_watch(const struct feed *f, struct watch_set *set, void *mark);

#endif
