/*
 * apply - takes what came back into the directory it was lent from, and loses nothing.
 *
 * By path, from three sides: base (the manifest of what was sent), theirs (the manifest of what
 * came back), ours (the directory now).  Theirs = base: leave ours.  Ours = base: take theirs, also
 * when it is gone.  Ours = theirs: nothing to do.  Else both changed: a conflict, and with one
 * conflict nothing at all is changed.  Resources lent "ro" and excluded paths are never touched.
 *
 * What is to change is written to a plan; new content is unpacked beside the old, on the same file
 * system, and made durable; then path by path the old is kept aside and the new renamed into place,
 * if the old is still what was compared.  A crash leaves the plan, from which the next call
 * finishes.  Applies to one tree take turns (flock on the directory).
 */
#ifndef APPLY_H
#define APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "tree.h"

enum apply_action { APPLY_ADD, APPLY_CHANGE, APPLY_DELETE, APPLY_CONFLICT };

struct apply_job {
	const struct resource *resources;
	size_t count;
	int basefd;    /* manifest of what was sent */
	int theirsfd;  /* manifest of what came back */
	int archivefd; /* what came back */
	int statefd;   /* the snapshot's directory: plan, journal and kept files lie in it */
	/* The peer keeps modes and links.  If not: a file whose content did not change is left
	 * alone with its mode and its being a link, a changed file keeps its old mode, a new one is
	 * 0644, or 0755 if it begins with "#!". */
	bool fidelity;
	bool dry; /* only tell */
	/* Told for every path that changes (or would): ${why} is NULL but for a conflict. */
	void (*report)(void *arg, enum apply_action action, const char *path, const char *why);
	void *report_arg;
};

struct apply_totals {
	uint64_t added, changed, deleted, conflicts;
};

/* Run the job, or finish one that was cut off.  0 when everything is applied; -1 with ERR_CONFLICT
 * when there are conflicts (all reported, nothing changed), or another error with the directory as
 * it was, or with a plan that the next call finishes. */
int apply(const struct apply_job *job, struct apply_totals *totals, struct err *e);

#endif
