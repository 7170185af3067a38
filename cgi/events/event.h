/*
 * event - a line of a journal as a server-sent event.
 *
 * An archive that the line names is base64-coded from its file as it is sent, never whole in memory
 * unless it is small.
 */
#ifndef EVENTS_EVENT_H
#define EVENTS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"
#include "state/journal.h"
#include "events/stream.h"

#define EVENT_JOURNAL "events.ndjson"

/* The journal ${kind}->collection/${id}/events.ndjson, as ${owner} may see it. */
struct event_source {
	const struct stream_kind *kind;
	const char *id;
	const char *owner; /* as the kind takes it */
	int dirfd;         /* of the collection */
};

/* Which file the journal is: a resume begins a new one. */
struct event_file {
	uint64_t inode; /* 0: there was none yet */
	int64_t born;   /* ns */
	off_t size;
};

/* How far a peer has read. */
struct event_position {
	struct event_file file;
	off_t offset;
	uint64_t seq;  /* of the last line */
	uint64_t skip; /* events up to this number are known to the peer */
};

struct event {
	uint64_t seq;
	bool last;       /* nothing comes after it */
	int archive;     /* its file, or -1; then ${text} ends where the archive begins */
	struct buf text; /* the event, with its empty line */
};

#define EVENT_NONE                        \
	{                                 \
		0, false, -1, BUF_INIT(0) \
	}

/* The directory in which something is written with every event. */
void event_directory(const struct event_source *s, char *path, size_t size);

/* Which file is the journal now?  -1 if there is none. */
int event_look(const struct event_source *s, struct event_file *f);

/* Begin at the first line again, if the journal is not the file that it was. */
void event_follow(struct event_position *p, const struct event_file *now);

/* Read the line after ${p} through ${j}, which must be at that place, and make ${v} of it.
 * Returns 1, 0 if there is none yet, or -1. */
int event_next(const struct event_source *s, struct journal *j, struct event *v, struct err *e);

/* Does the peer at ${p} want ${v}? */
bool event_wanted(const struct event *v, const struct event_position *p);

/* True if all of ${v} fits into ${most} bytes: then it is in ${v}->text. */
bool event_whole(struct event *v, size_t most);

/* An event of our own: ${why} something ends early for ${id}. */
int event_error(struct event *v, const char *id, const struct err *why);

/* Send ${v}.  -1 if its archive cannot be read; a peer that goes away is no failure. */
int event_send(struct http *h, struct event *v, struct err *e);

/* Send the file ${fd} as base64.  -1 as event_send. */
int event_archive(struct http *h, int fd, struct err *e);

void event_free(struct event *v);

#endif
