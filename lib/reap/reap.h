/*
 * reap - leaves the state as it should be: what is over is ended, what need not be kept goes, and
 * what was cut off goes on.
 *
 * Made to be run every minute by anybody, twice at once, and to be killed anywhere.  What is to be
 * done is found by due/ (see due.h), by a few directories that are always short, and by a walk
 * through all records that goes on a little with each run and makes entries that are missing.
 * Everything found is decided again by the record, under its lock.  What is removed is renamed into
 * tmp/ first.
 *
 * Each rule is a small function in a file of its own: reap_<what>.c.
 */
#ifndef REAP_REAP_H
#define REAP_REAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What it does, as far as a person can choose; awcp-reap(1) says more. */
enum reap_kind {
	REAP_LEASES,    /* a time limit has passed: the assignment or delegation ends */
	REAP_QUEUE,     /* claims that lapsed; tasks whose time has come */
	REAP_RETENTION, /* what ended long ago goes */
	REAP_FOLLOWERS, /* what nobody follows any more is followed again */
	REAP_APPLIES,   /* an apply or undo that was cut off is finished */
	REAP_BREAKERS,  /* a pause after too many failures is over */
	REAP_ORPHANS,   /* files and processes that nothing owns go */
	REAP_PEERS,     /* peers that were not heard of for long go */
	REAP_READERS,   /* marks of readers that were idle for long go */
	REAP_SPACE,     /* the disk is nearly full: what is worth least goes */
	REAP_KINDS
};

/* The name of ${kind}, "leases". */
const char *reap_kind_name(enum reap_kind kind);

/* The kind with that name, today's or previous, or REAP_KINDS. */
enum reap_kind reap_kind_named(const char *name);

/* Something that was done, or in a dry run would be. */
struct reap_deed {
	enum reap_kind kind;
	const char *id;     /* of a record, or the name of a file in the state directory */
	const char *action; /* "expire", "remove", … */
	char why[256];
};

struct reap_options {
	unsigned kinds; /* bits 1 << enum reap_kind; 0: all, each when it is its turn */
	bool dry;       /* only tell */
	void (*told)(void *arg, const struct reap_deed *d);
	/* Something that a person should know of. */
	void (*trouble)(void *arg, const char *text);
	void *arg;
};

struct reap_totals {
	size_t done[REAP_KINDS];
	size_t failed;
	int64_t took; /* ms */
};

/* Do all that is to be done now.  What cannot be done is told and tried again by the next run.
 * Fails only if there is no state to look at, or with ERR_CONFIG. */
int reap_run(const struct reap_options *o, struct reap_totals *totals, struct err *e);

#endif
