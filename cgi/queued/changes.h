/*
 * changes - what happens in a queue, as a stream: an event for each change, with the task as it was
 * then.
 *
 * The payload is never in it; and what makes an event larger than EVENT_LOOP is left out, too,
 * which "short": true says: the task itself can be asked for.
 */
#ifndef QUEUED_CHANGES_H
#define QUEUED_CHANGES_H

#include "http/http.h"

/* GET /queue/:name/events for ${tenant} (NULL: of all tasks): the changes after the version of
 * Last-Event-ID or "since", or from now on.  -1 if nothing was sent. */
int changes_stream(struct http *h, const char *tenant, struct err *e);

#endif
