/*
 * stream - what happens to an assignment, a delegation or a queue, as server-sent events.
 *
 * Of what has ended, the events are sent at once; a stream that has to wait goes to the loop.
 */
#ifndef EVENTS_STREAM_H
#define EVENTS_STREAM_H

#include "feed/feed.h"
#include "http/http.h"

struct event_source;

/* What kinds of streams differ in. */
struct stream_kind {
	/* May ${owner} see ${id}?  *${over}: it has ended, and its feed is complete.  NULL: it does
	 * not end. */
	int (*check)(const char *id, const char *owner, bool *over, struct err *e);
	/* The event "done" or "error" is the end, for which the record need not be read; and of one
	 * that has ended it is the only event, unless there is a Last-Event-ID (AWCP v1). */
	bool last_is_end;
	/* An entry that is too large for EVENT_LOOP in a few words, a new reference; NULL: events
	 * may be of any size. */
	json_t *(*shorten)(const json_t *entry);
};

/* Stream the journal of what is in the path of ${h}, in ${collection}, to ${owner}: everything that
 * happened, or what came after Last-Event-ID, then what happens, until it is over.  -1 if nothing
 * was sent. */
int stream_journal(struct http *h, const struct stream_kind *k, const char *collection,
		   const char *owner, struct err *e);

/* Stream the entries of ${from} after ${at} in the same way, to a request whose body was drained;
 * ${over} as the kind's check says. */
int stream_follow(struct http *h, const struct event_source *from, const struct feed_cursor *at,
		  bool over, struct err *e);

/* A stream that only says ${why}. */
void stream_error(struct http *h, const struct err *why);

#endif
