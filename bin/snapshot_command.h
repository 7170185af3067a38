/*
 * snapshot_command - what the files of awcp-snapshot share.
 */
#ifndef SNAPSHOT_COMMAND_H
#define SNAPSHOT_COMMAND_H

#include "snapshot/snapshot.h"

/* An operand, or an option that says how conflicts are settled, in the order of the command. */
struct snapshot_word {
	enum apply_settle how; /* APPLY_ASK: an operand */
	const char *text;      /* it, or the option's path, or NULL */
};

struct snapshot_options {
	bool json, stat;
	struct snapshot_taking how; /* choices, paths and report are snapshot_take's */
	enum pack_format format;
	struct filter *filter;
	char **operands; /* the delegation's id, a snapshot's, then paths */
	int count;
	const char *snapshot;        /* or NULL */
	struct snapshot_word *words; /* of apply and undo: the first operand is the id */
	size_t word_count;
};

struct snapshot_shown {
	bool json;
	bool guarded; /* print what is guarded; else the rest */
	/* Files and links so far; changed are also those that changed only in mode, or in type. */
	uint64_t added, changed, deleted, modes, types;
	uint64_t withheld;      /* that are never taken, and not counted otherwise */
	uint64_t before, after; /* bytes of them */
};

/* Print ${c} to stdout, if it is wanted now; ${arg} is a struct snapshot_shown.  For
 * snapshot_changes. */
int snapshot_show(void *arg, const struct snapshot_change *c, struct err *e);

/* Print the sum of ${s} as the rest of a line; nothing for programs, who can add. */
void snapshot_show_sum(const struct snapshot_shown *s);

/* Print what the executor could not send back of ${snapshot}, an entry of the record. */
void snapshot_show_withheld(const json_t *snapshot);

/* Apply, or undo, a snapshot of the delegation that ${prefix} names and print what is done.
 * ${arg} is a struct snapshot_options.  For command_each. */
int snapshot_take(void *arg, const char *prefix);
int snapshot_take_back(void *arg, const char *prefix);

#endif
