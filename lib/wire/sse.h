/*
 * sse - server-sent events, both ends.
 *
 * A data line may be gigabytes long, so the reader passes it on in pieces.  As the AWCP v1
 * reference client, it takes only lines that begin with exactly "data: ", each of which is a whole
 * event; "id:" lines are kept for Last-Event-ID; everything else is skipped.
 */
#ifndef WIRE_SSE_H
#define WIRE_SSE_H

#include "base/err.h"

#define SSE_ID 64 /* longest event id that is kept */

struct sse_reader {
	/* A piece of a data line; ${last} with ${n} 0 at its end.  Returns 0, or -1 to stop. */
	int (*data)(void *arg, const char *p, size_t n, int last, struct err *e);
	void *arg;
	char id[SSE_ID];        /* of the event being read, "" if none was given */
	int state;              /* private; zero at the start */
	size_t at;              /* private */
	char field[SSE_ID + 8]; /* private */
};

/* Read ${n} bytes of the stream.  ${r} begins as zeros with data and arg set. */
int sse_read(struct sse_reader *r, const char *p, size_t n, struct err *e);

#endif
