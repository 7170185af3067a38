/*
 * queue/journal - the changes of a queue, in the order in which they happened: its truth.
 *
 *	queue/<name>/journal/<segment>.ndjson	one JSON object a line
 *
 * A line is found by its address: 64 MiB of addresses belong to a segment, and a line that would
 * not fit begins the next one.  It is written under the queue's lock and made durable after that
 * was released, so that those who wait for the disk at the same time wait for it together.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "base/buf.h"

#define QUEUE_SEGMENT ((uint64_t)64 << 20) /* addresses of a segment */
#define QUEUE_LINE (1 << 20)               /* longest line, bytes with its newline */

/* A segment that is open. */
struct queue_segment {
	int fd; /* or -1 */
	uint64_t number;
};

/* Bytes that are left free on the disk. */
#define QUEUE_KEEP_NEW ((size_t)1 << 18) /* by a new task, for claims on those that there are */
#define QUEUE_KEEP_CLAIM                                                             \
	((size_t)1 << 10)     /* by a claim, for the end of each claim that there is \
			       */
#define QUEUE_CLAIMS_MAX 4096 /* for which that is done */

struct queue_journal {
	int dirfd;
	struct queue_segment last, other; /* the ones that were written to and read last */
	bool readonly;                    /* one of them can only be read */
};

/* The address of the first line of all; 0 is none. */
#define QUEUE_FIRST_ADDRESS QUEUE_SEGMENT

/* Start with ${dirfd}, which stays the caller's. */
void queue_journal_open(struct queue_journal *j, int dirfd);
void queue_journal_close(struct queue_journal *j);

/* Write ${lines}, whole ones of at most a quarter of a segment, to *${end}, the journal's end, and
 * advance it: *${at} is where they begin, *${end} where they end.  Nothing is written in part.
 * ${keep}: so many bytes must be left free on the disk, or they are refused with ERR_NO_SPACE; 0:
 * whatever is left. */
int queue_journal_append(struct queue_journal *j, const struct buf *lines, size_t keep,
			 uint64_t *at, uint64_t *end, struct err *e);

/* Make everything before ${end} durable. */
int queue_journal_sync(struct queue_journal *j, uint64_t end, struct err *e);

/* Read the line at ${at} into ${line}, without its newline; *${next} (may be NULL) is the address
 * after it.  One that is too long for ${line} is damaged, and empty.  Returns 1, 0 if no whole
 * line is there, -1. */
int queue_journal_read(struct queue_journal *j, uint64_t at, struct buf *line, uint64_t *next,
		       struct err *e);

/* Cut off what follows ${end}, where that can be done: the line that a killed writer did not end.
 * Returns 1 if the journal ends before that, 0, -1. */
int queue_journal_cut(struct queue_journal *j, uint64_t end, struct err *e);

/* End the segment that *${end} is in: the next line begins another one, and *${end} says so. */
int queue_journal_leave(struct queue_journal *j, uint64_t *end, struct err *e);

/* When the segment of ${at} was last written to, ms since 1970; 0 if there is none. */
int queue_journal_time(struct queue_journal *j, uint64_t at, int64_t *ms, struct err *e);

/* Remove the segment of ${at}; one that is not there is fine. */
int queue_journal_remove(struct queue_journal *j, uint64_t at, struct err *e);

/* The number of the oldest segment, that of the first if there is none. */
int queue_journal_oldest(const struct queue_journal *j, uint64_t *oldest, struct err *e);

#endif
