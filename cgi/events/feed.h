/*
 * source - a journal that parked streams follow, shared by all that may see it.
 *
 * One watch and one poll serve them all, and a line is made an event once for all that are at the
 * same place.  Only the thread of the lot comes here.
 */
#ifndef EVENTS_FEED_H
#define EVENTS_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "events/event.h"

#define SOURCE_EVENT ((size_t)16384) /* bytes of an event that is sent without a worker */

struct source {
	struct event_source from;
	LIST_HEAD(streams, stream) streams; /* of the lot */
	bool looking, again;                /* somebody looks whether it is over; look again then */
	bool changed;
	bool held;              /* may not be forgotten for the moment */
	int64_t looked;         /* when a look began, ms */
	struct event_file file; /* as it was read last */
	int watch;
	int64_t poll; /* when to look for changes that nobody reports */
	LIST_ENTRY(source) same_hash;
	TAILQ_ENTRY(source) later;
	STAILQ_ENTRY(source) next_changed;
};

/* Set up; the descriptor of source_watch is readable when there are changes, or -1. */
int source_open(struct err *e);
int source_watch(void);
void source_close(void); /* before there are any */

/* The source that is ${from}, of which all is copied; NULL when it cannot be had. */
struct source *source_find(const struct event_source *from, struct err *e);

/* Forget ${s} if no stream follows it and nobody looks. */
void source_leave(struct source *s);

/* Note what is reported of changes. */
void source_note(void);

/* The next source that has changed, or may have by ${now}; NULL if there is none. */
struct source *source_changed(int64_t now);

/* When the next poll is due; INT64_MAX: never. */
int64_t source_due(void);

/* The event after ${p}.  Returns 1 and *${v}, borrowed until source_rest, and moves ${p} past it;
 * 2 if there is one that is too big; 0 if there is none yet; or -1. */
int source_next(struct source *s, struct event_position *p, const struct event **v, struct err *e);

/* Nothing more is read of ${s} for now. */
void source_rest(void);

#endif
