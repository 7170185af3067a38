/*
 * stream - what happens to an assignment or a delegation, as server-sent events made from its
 * journal.
 *
 * Of what has ended, the events are sent at once; a stream that has to wait goes to the loop.
 */
#ifndef EVENTS_STREAM_H
#define EVENTS_STREAM_H

#include <stdbool.h>

#include "base/err.h"
#include "http/http.h"
#include "state/journal.h"

struct event;
struct event_file;
struct event_position;
struct event_source;

/* What is streamed: ${collection}/<id>/events.ndjson. */
struct stream_kind {
	const char *collection;
	/* May ${owner} see ${id}?  *${over}: it has ended, and everything that it will ever tell is
	 * in the journal.  NULL: it does not end. */
	int (*look)(const char *id, const char *owner, bool *over, struct err *e);
	/* The file in ${collection}/<id> that is written with every event; NULL: any may be. */
	const char *written;
	/* The event "done" or "error" is the end, which needs no look; and it is all that is told
	 * of one that has ended, if there is no Last-Event-ID (AWCP v1). */
	bool last_is_end;
	/* Where events come from something else: as event_look, and as event_next with the place
	 * ${j}->offset and the number ${j}->seq only.  An event that is not for this owner has no
	 * text. */
	int (*file)(const struct event_source *s, struct event_file *f);
	int (*next)(const struct event_source *s, struct journal *j, struct event *v,
		    struct err *e);
};

/* Stream the events of ${k} in the path of ${h} to ${owner}: everything that happened, or what came
 * after Last-Event-ID, then what happens, until it is over.  -1 if nothing was sent. */
int stream_events(struct http *h, const struct stream_kind *k, const char *owner, struct err *e);

/* Stream the events of ${from} after ${p}, as stream_events does, to a request whose body was
 * drained; ${over} as the kind's look tells. */
int stream_follow(struct http *h, const struct event_source *from, const struct event_position *p,
		  bool over, struct err *e);

/* A stream that only says ${why}. */
void stream_error(struct http *h, const struct err *why);

#endif
