/*
 * queue/mark - what a task is to a reader, as it was loaded.
 */
#ifndef QUEUE_MARK_H
#define QUEUE_MARK_H

#include "queue/private.h"
#include "queue/reader.h"

/* Have what the questions below need, of what ${r} has loaded. */
int queue_reader_prepare(struct queue *q, struct queue_reader *r, struct err *e);

/* True if one of the tasks ${from} to ${to}, whose newest line is at ${newest}, may be anything but
 * read to ${r}. */
bool queue_reader_may_want(const struct queue_reader *r, uint64_t from, uint64_t to,
			   uint64_t newest);

#endif
