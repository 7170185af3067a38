/*
 * parked - a stream in the lot, and what it is sent.
 *
 * Only the thread of the lot comes here, except for what parked_pump hands to the crew: a stream
 * that is away is left alone until it is back.
 */
#ifndef EVENTS_SUBSCRIBER_H
#define EVENTS_SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "events/offload.h"
#include "events/event.h"
#include "http/fastcgi.h"
#include "events/feed.h"

struct rest;

struct stream {
	struct crew_job job; /* while others have it */
	struct fastcgi connection;
	struct event_position position;
	struct rest *rest;
	struct source *source;
	LIST_ENTRY(stream) same_source;
	TAILQ_ENTRY(stream) later; /* in the order of keepalives */
	int64_t keepalive;
	int64_t began; /* clock_steady */
	uint64_t sent; /* bytes */
	enum err_code failed_with;
	bool full;          /* waits until it can be written to */
	bool away;          /* the crew has it */
	bool over;          /* ends when nothing is left to send */
	bool ended;         /* the last event was sent */
	bool closing;       /* ends when ${rest} is sent */
	bool gone;          /* the peer is */
	struct err *failed; /* why the crew could not send on, to be freed */
};

/* Streams are watched with ${epollfd}, each with itself as data; ${post} has the lot's thread do
 * something; every ${keepalive_ms} a quiet one is sent a comment. */
void parked_begin(int epollfd, void (*post)(struct crew_job *j, void (*work)(struct crew_job *)),
		  int64_t keepalive_ms);

/* Begin to watch ${s}, which follows ${source}.  -1 with errno if it cannot be. */
int parked_add(struct stream *s, struct source *source);

/* Something is to be seen at the connection of ${s}. */
void parked_see(struct stream *s, uint32_t events);

/* Send what ${s} has not got yet, as far as it takes that.  It may be no more afterwards. */
void parked_pump(struct stream *s);

/* The same for all streams of ${source}, which is ${now} the journal. */
void parked_pump_all(struct source *source, const struct event_file *now);

/* End ${s} with an event that says ${why}, if it has not ended; then it is to be pumped. */
void parked_fail(struct stream *s, const struct err *why);

/* Send the keepalives that are due, or some of them. */
void parked_keepalive(int64_t now);

/* When the next one is due; INT64_MAX: never. */
int64_t parked_due(void);

#endif
