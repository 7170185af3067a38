/*
 * event - an entry of a feed as a server-sent event.
 *
 * An archive that the entry names is base64-coded from its file as it is sent, and never whole in
 * memory unless it is small.
 */
#ifndef EVENTS_EVENT_H
#define EVENTS_EVENT_H

#include "events/stream.h"

#define EVENT_LOOP ((size_t)16384) /* max bytes of an event that the loop sends itself */

/* What a stream is made from. */
struct event_source {
	const struct stream_kind *kind;
	struct feed feed;
};

struct event {
	uint64_t seq;
	bool last;       /* nothing comes after it */
	int archive;     /* its file, or -1; then ${text} ends where the archive begins */
	struct buf text; /* the event, with its empty line */
};

/* Read the next entry and make it event ${v}, without text if it is nothing for the owner.  Returns
 * 1, 0 if there is none yet, or -1. */
int event_next(struct feed_reader *r, const struct stream_kind *k, struct event *v, struct err *e);

/* Put all of ${v} into ${v}->text; false if that would be more than ${max} bytes, or there is no
 * memory: then ${v} is only to be freed. */
bool event_whole(struct event *v, size_t max);

/* Make ${v} an event of our own that says ${why} a stream about ${id} ends early. */
int event_error(struct event *v, const char *id, const struct err *why);

/* Send ${v}.  -1 if its archive cannot be read; a peer that goes away is no failure. */
int event_send(struct http *h, struct event *v, struct err *e);

/* Send the file ${fd} as base64.  -1 as event_send. */
int event_archive(struct http *h, int fd, struct err *e);

void event_free(struct event *v);

#endif
