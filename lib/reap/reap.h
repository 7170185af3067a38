/*
 * reap - leaves the state as it should be: ends what is over, removes what need not be kept, and
 * goes on with what was cut off.
 *
 * It is made to be run every minute by anybody, twice at once, and to be killed at any moment.
 * Work is found by due/ (see due.h), by a few directories that are always short, and by a walk
 * through all records that advances a little with each run and adds missing entries to due/.
 * Everything found is decided anew by the record, under its lock.  What is removed is renamed into
 * tmp/ first.
 *
 * Each rule (private.h) has a file of its own.
 */
#ifndef REAP_REAP_H
#define REAP_REAP_H

#include "base/err.h"

/* What it does, as far as a person can choose; awcp-reap(1) says more. */
enum reap_kind {
	REAP_LEASES,    /* end assignments and delegations whose time limit has passed */
	REAP_QUEUE,     /* return claims that lapsed, release tasks whose time has come */
	REAP_RETENTION, /* remove what ended long ago */
	REAP_FOLLOWERS, /* follow again what nobody follows any more */
	REAP_APPLIES,   /* finish applies and undos that were cut off */
	REAP_BREAKERS,  /* end pauses after too many failures */
	REAP_ORPHANS,   /* remove files and processes that nothing owns */
	REAP_PEERS,     /* remove peers that accepted nothing for long */
	REAP_READERS,   /* remove marks of readers that were idle for long */
	REAP_SPACE,     /* the disk is nearly full: remove what is worth least */
	REAP_KINDS
};

/* The name of ${kind}, "leases". */
const char *reap_kind_name(enum reap_kind kind);

/* The kind with that name, today's or previous, or REAP_KINDS. */
enum reap_kind reap_kind_named(const char *name);

/* Something that was done, or in a dry run would be. */
struct reap_action {
	enum reap_kind kind;
	const char *id;   /* of a record, or the name of a file in the state directory */
	const char *verb; /* "expire", "remove", ... */
	char why[256];
};

struct reap_options {
	unsigned kinds; /* bits 1 << enum reap_kind; 0: all, each when it is due */
	bool dry;       /* only report */
	void (*report)(void *arg, const struct reap_action *action);
	/* Something that a person should know of. */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

struct reap_totals {
	size_t done[REAP_KINDS];
	size_t failed;
	int64_t took; /* ms */
};

/* Do all that is to be done now.  What cannot be done is reported and tried again by the next run.
 * Fails only if there is no state, or with ERR_CONFIG. */
int reap_run(const struct reap_options *o, struct reap_totals *totals, struct err *e);

#endif
