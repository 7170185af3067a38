/*
 * loop - the event loop in which streams wait.
 *
 * A stream that only waits has no thread and no buffer: its connection, which was detached from
 * libfcgi, belongs to one thread that watches them all, sends small events itself and offloads the
 * big ones.  Nothing is queued for a slow reader: when its connection takes no more, the stream
 * remembers its place in the feed and goes on from there later.
 */
#ifndef EVENTS_LOOP_H
#define EVENTS_LOOP_H

#include "events/event.h"
#include "http/fastcgi.h"
#include "http/holder.h"

/* Read AWCP_KEEPALIVE, seconds between the comments that keep a stream alive (30), and what
 * slots_policy reads. */
int loop_policy(struct err *e);

/* The former, ms. */
int64_t loop_keepalive(void);

/* Start the thread, unless it runs. */
int loop_start(struct err *e);

/* Have ${c}, which has a slot (slots_take) by ${pass}, follow the events of ${source} after ${at},
 * to the end, or until the pass is not good any more.  It is closed then, and its slot released;
 * also when this fails. */
int loop_add(const struct fastcgi *c, const struct pass *pass, const struct event_source *source,
	     const struct feed_cursor *at, struct err *e);

#endif
