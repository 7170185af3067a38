/*
 * stream - what happens to an assignment, as server-sent events made from its journal.
 *
 * A snapshot's archive is base64-coded from its file as it is sent, never whole in memory.  A
 * stream that waits keeps no buffer and no file open, only its connection and its watch.
 */
#ifndef STREAM_H
#define STREAM_H

#include "err.h"
#include "http.h"

/* GET /tasks/:id/events for ${owner} (as in assignment_open): everything that happened, then what
 * happens, to the last event; of an ended task its last event only, or all after Last-Event-ID. */
void stream_events(struct http *h, const char *owner);

/* Send the file ${fd} as base64.  -1 if it cannot be read; a peer that goes away is no failure. */
int stream_archive(struct http *h, int fd, struct err *e);

#endif
