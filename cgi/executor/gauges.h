/* metrics_now - what there is to do now, as Prometheus text: read from the indexes of what has not
 * ended, never from history. */
#ifndef EXECUTOR_GAUGES_H
#define EXECUTOR_GAUGES_H

#include "base/buf.h"
#include "base/err.h"

/* Add to ${out} how many delegations, assignments and tasks are in which state, and for how long
 * the oldest task of each queue has waited.  What cannot be read is left out. */
int metrics_now(struct buf *out, struct err *e);

#endif
