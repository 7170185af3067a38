/*
 * queue/floor - where the journal begins, and what there was before: queue/<name>/retired.
 */
#ifndef QUEUE_FLOOR_H
#define QUEUE_FLOOR_H

#include "queue/private.h"

struct queue_floor {
	uint64_t segment; /* the oldest that is kept */
	uint64_t version; /* of the last line before it */
	uint64_t count;   /* tasks by then */
};

int queue_floor_read(struct queue *q, struct queue_floor *f, struct err *e);

/* Durable. */
int queue_floor_write(struct queue *q, const struct queue_floor *f, struct err *e);

#endif
