/*
 * snapshot_show - how awcp-snapshot shows a change: a line for people, or for programs.
 */
#ifndef SNAPSHOT_SHOW_H
#define SNAPSHOT_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot.h"

struct snapshot_shown {
	bool json;
	uint64_t added, changed, deleted; /* files and links so far */
};

/* Print ${c} to stdout; ${arg} is a struct snapshot_shown.  For snapshot_changes. */
int snapshot_show(void *arg, const struct snapshot_change *c, struct err *e);

#endif
