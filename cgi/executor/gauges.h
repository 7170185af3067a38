/*
 * executor/gauges - what is unfinished now, as Prometheus text, read from the indexes of unfinished
 * records and from the queues.
 */
#ifndef EXECUTOR_GAUGES_H
#define EXECUTOR_GAUGES_H

#include "base/buf.h"

/* Add to ${out} how many delegations, assignments and tasks are in which state, and for how long
 * the oldest task of each queue has waited.  What cannot be read is left out. */
int gauges_print(struct buf *out, struct err *e);

#endif
