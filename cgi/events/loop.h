/*
 * lot - where event streams wait.
 *
 * A stream that only waits has no thread and no buffer: its connection, which was detached from
 * libfcgi, is with one thread that watches them all, sends what is small itself and has the rest
 * sent by a crew of others.  Nothing is queued for a slow reader: a stream whose connection takes
 * no more remembers its place in the journal and goes on when it does.
 */
#ifndef EVENTS_LOOP_H
#define EVENTS_LOOP_H

#include "events/event.h"
#include "http/fastcgi.h"
#include "events/stream.h"

/* Read AWCP_STREAMS, how many streams may be open (65536), which the limit on descriptors may
 * lower, and AWCP_KEEPALIVE, seconds between the comments that keep one alive (30). */
int lot_policy(struct err *e);

/* The latter, ms. */
int64_t lot_keepalive(void);

/* Take a place; ERR_BUSY when there is none. */
int lot_enter(struct err *e);

/* Give it back. */
void lot_leave(void);

/* Have ${c}, whose place was taken with lot_enter, follow the events of ${s} after ${p}, up to the
 * end.  It is closed then, and its place given back; also when this fails. */
int lot_park(const struct fastcgi *c, const struct event_source *s, const struct event_position *p,
	     struct err *e);

#endif
