/*
 * channel - a feed with its subscribers.
 *
 * One watch and one poll serve them all, and an entry is made an event once for all that are at the
 * same place.  Only the loop's thread calls this.
 */
#ifndef EVENTS_CHANNEL_H
#define EVENTS_CHANNEL_H

#include <sys/queue.h>

#include "events/event.h"

struct channel {
	struct event_source source;
	LIST_HEAD(subscribers, subscriber) subscribers;
	bool checking;             /* a thread checks whether what it is about has ended */
	bool check_again;          /* and is to check once more after that */
	bool changed;              /* it is in the list of channel_changed */
	bool held;                 /* it may not be freed for the moment */
	int64_t checked;           /* when the last check began (clock_steady) */
	struct feed_extent extent; /* as it was read last */
	int watch;
	int64_t poll; /* when to look for changes that nobody reports */
	LIST_ENTRY(channel) same_hash;
	TAILQ_ENTRY(channel) later;
	STAILQ_ENTRY(channel) next_changed;
	char text[]; /* the strings of the source */
};

/* Set up.  *${fd} is readable when there are changes, or -1 where they are polled. */
int channel_open(int *fd, struct err *e);
void channel_close(void); /* before there are any */

/* A channel of ${source}, which is copied; to be freed, unless it is added.  NULL out of memory.
 * Any thread may call this. */
struct channel *channel_new(const struct event_source *source);

/* Add a new channel, or free it if its source has one.  Returns the one to use. */
struct channel *channel_add(struct channel *c);

/* Free ${c} if it has no subscriber and no check runs. */
void channel_release(struct channel *c);

/* Note which channels were reported as changed. */
void channel_note(void);

/* The next channel that has changed, or is to be polled at ${now}; NULL if there is none. */
struct channel *channel_changed(int64_t now);

/* When the next poll is due; INT64_MAX: never. */
int64_t channel_due(void);

/* The event after ${at}.  Returns 1 and *${v}, borrowed until channel_rest, and moves ${at} past
 * it; 2 if there is one that is too big; 0 if there is none yet; or -1. */
int channel_next(struct channel *c, struct feed_cursor *at, const struct event **v, struct err *e);

/* Nothing more is read for now. */
void channel_rest(void);

#endif
