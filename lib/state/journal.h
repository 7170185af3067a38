/*
 * journal - a file that only grows: one JSON object a line.
 *
 * A line is written with one write(2) by whoever holds the record's lock; its number, from 1, is
 * its sequence number.  A torn last line (a crash inside the write) is ignored by readers and cut
 * off by the next writer.  Big bytes are never in a line: they lie in a file that it names.
 */
#ifndef STATE_JOURNAL_H
#define STATE_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define JOURNAL_LINE (1024 * 1024) /* longest line, bytes */

/* Append ${o} as one line to ${name} in ${dirfd}, created 0600 if missing. */
int journal_append(int dirfd, const char *name, const json_t *o, bool durable, struct err *e);

/* A reader keeps its place between calls, also while the file is being written. */
struct journal {
	int fd;       /* -1 until the file exists */
	off_t offset; /* of the next line */
	uint64_t seq; /* of the line last returned; 0 before the first */
	struct buf line;
};

/* Begin to read ${name} in ${dirfd}; it is fine if it does not exist yet. */
void journal_open(struct journal *j);

/* Read the next whole line into ${j}->line (no newline) and count ${j}->seq up.  Returns 1, 0 if
 * there is no whole line yet, or -1. */
int journal_next(struct journal *j, int dirfd, const char *name, struct err *e);

void journal_close(struct journal *j);

/* The last line of ${name} in ${dirfd} as *${o}, a new reference; NULL if there is none, or it is
 * no JSON.  -1 if it cannot be read. */
int journal_last(int dirfd, const char *name, json_t **o, struct err *e);

#endif
