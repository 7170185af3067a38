/*
 * process/usage - how much a running task uses of what its sandbox limits as a whole: memory and
 * CPU time of all its processes together, and the growth of its directory.
 *
 * The kernel limits a process, or a file; what many of them use together is measured here, a few
 * times a second, and the directory as often as costs no more than a twentieth of the time.  So a
 * task can be over a limit for a moment before it is stopped.  CPU time of processes for which
 * nobody waited, and files that were removed but are still open, are not seen.
 */
#ifndef PROCESS_USAGE_H
#define PROCESS_USAGE_H

#include <sys/types.h>

#include "process/sandbox.h"

#define USAGE_MS 250 /* between two measurements of processes */

struct usage {
	const struct sandbox *sandbox;
	const char *directory;  /* absolute */
	uint64_t baseline;      /* bytes in it when the task began */
	int64_t next_processes; /* clock_steady of the next measurement */
	int64_t next_directory;
	long ticks; /* of CPU time in a second */
	uint64_t page;
};

/* Begin to measure a task in ${directory}; both stay the caller's. */
void usage_begin(struct usage *m, const struct sandbox *s, const char *directory);

/* Measure all that descends from ${root}, if it is time.  0, or -1 with ERR_TASK_FAILED if it uses
 * more than it may. */
int usage_check(struct usage *m, pid_t root, struct err *e);

#endif
