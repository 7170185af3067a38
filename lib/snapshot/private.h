/*
 * snapshot/private - what the parts of snapshot share.
 */
#ifndef SNAPSHOT_PRIVATE_H
#define SNAPSHOT_PRIVATE_H

#include <stdbool.h>

#include "base/err.h"
#include "state/record.h"

/* Open the directory of snapshot ${id} and keep others from working with it until it is closed;
 * with ${wait} false ERR_BUSY if somebody does. */
int snapshot_open_locked(const struct record *r, const char *id, bool wait, struct err *e);

/* ERR_BAD_STATE if the entry ${snapshot} is not pending. */
int snapshot_check_pending(const json_t *snapshot, struct err *e);

/* Note in the record that snapshot ${id} is "applied", "discarded" (only one that is pending), or
 * "pending" again.  Takes the record's lock. */
int snapshot_mark(const char *delegation, const char *id, const char *status, struct err *e);

/* Clear away what an undo that is done, so that the snapshot is pending again, may have left in its
 * directory ${statefd}. */
int snapshot_forget_undo(int statefd, struct err *e);

#endif
