/*
 * snapshot_take - how awcp-snapshot applies a snapshot, and undoes that.
 */
#ifndef SNAPSHOT_TAKE_H
#define SNAPSHOT_TAKE_H

#include "snapshot/snapshot.h"

struct snapshot_take {
	bool json, dry, markers;
	enum apply_settle settle;
	char **operands; /* after the delegation's id: a snapshot's, then paths */
	int count;
};

/* Apply, or undo, a snapshot of the delegation that ${prefix} names and print what is done.
 * Returns an exit status. */
int snapshot_take(const struct snapshot_take *t, const char *prefix);
int snapshot_take_back(const struct snapshot_take *t, const char *prefix);

#endif
