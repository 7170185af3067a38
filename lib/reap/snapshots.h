/* snapshots - applies that were cut off, files for an undo, and surplus snapshots. */
#ifndef REAP_SNAPSHOTS_H
#define REAP_SNAPSHOTS_H

#include "reap/context.h"

/* Look after the snapshots of ${delegation}.  Returns when there is something to do next,
 * INT64_MAX: never, -1: it could not be done now. */
int64_t reap_snapshots(struct reap *r, struct record *delegation);

/* Is somebody working with a snapshot of ${delegation}, or was, and got cut off? */
bool reap_snapshot_busy(const struct record *delegation);

#endif
