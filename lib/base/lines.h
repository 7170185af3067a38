/*
 * lines - reads a part of a file by the line, in fixed memory.
 */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include "base/err.h"

#define LINES_WINDOW (64 * 1024) /* bytes in memory: no line may be longer */

struct lines {
	char *line;       /* the current line without its newline; NULL at the end */
	int fd;           /* private, as all that follows */
	uint64_t at, end; /* what is not read yet */
	size_t from, to;  /* what is read and not used */
	char *data;
};

/* Read bytes ${at} to ${end} of ${fd} (pread; ${fd} stays the caller's). */
int lines_open(struct lines *l, int fd, uint64_t at, uint64_t end, struct err *e);

/* Point ${l}->line at the next line.  ERR_BAD_DATA if the last one has no newline, or one is too
 * long. */
int lines_next(struct lines *l, struct err *e);

void lines_close(struct lines *l);

#endif
