/*
 * snapshot_show - how awcp-snapshot shows a change: a line for people, or for programs.
 */
#ifndef SNAPSHOT_SHOW_H
#define SNAPSHOT_SHOW_H

#include "snapshot/snapshot.h"

struct snapshot_shown {
	bool json;
	/* Files and links so far; changed are also those that changed only in mode, or in type. */
	uint64_t added, changed, deleted, modes, types;
	uint64_t before, after; /* bytes of them */
};

/* Print ${c} to stdout; ${arg} is a struct snapshot_shown.  For snapshot_changes. */
int snapshot_show(void *arg, const struct snapshot_change *c, struct err *e);

/* Print the sum of ${s} as the rest of a line; nothing for programs, who can add. */
void snapshot_show_sum(const struct snapshot_shown *s);

#endif
