/*
 * stream - what happens to an assignment or a delegation, as server-sent events made from its
 * journal.
 *
 * Of what has ended, the events are sent at once; a stream that is to wait goes to the lot.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>

#include "err.h"
#include "http.h"

/* What is streamed: ${collection}/<id>/events.ndjson. */
struct stream_kind {
	const char *collection;
	/* May ${owner} see ${id}?  *${over}: it has ended, and everything that it will ever tell is
	 * in the journal. */
	int (*look)(const char *id, const char *owner, bool *over, struct err *e);
	/* The event "done" or "error" is the end, which needs no look; and it is all that is told
	 * of one that has ended, if there is no Last-Event-ID (AWCP v1). */
	bool last_is_end;
};

/* Stream the events of ${k} in the path of ${h} to ${owner}: everything that happened, or what came
 * after Last-Event-ID, then what happens, until it is over.  -1 if nothing was sent. */
int stream_events(struct http *h, const struct stream_kind *k, const char *owner, struct err *e);

/* A stream that only says ${why}. */
void stream_error(struct http *h, const struct err *why);

#endif
