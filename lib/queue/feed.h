/*
 * queue/feed - the changes of a queue as a feed: each entry is a task as it was after the change,
 * without its payload, and has the version of the queue as its number.
 *
 * The subject is the queue's name; an owner is a tenant, who gets the changes of their tasks alone.
 */
#ifndef QUEUE_FEED_H
#define QUEUE_FEED_H

#include "feed/feed.h"
#include "queue/queue.h"

/* How the feed comes by the queue for a moment: queue_open and queue_close, or a pool of open
 * queues.  The handle of a feed of kind queue_feed. */
struct queue_access {
	struct queue *(*open)(const char *name, bool create, struct err *e);
	void (*close)(struct queue *q);
};

extern const struct feed_kind queue_feed;

#endif
