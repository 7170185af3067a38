/*
 * process/usage - how much a running task uses of what its sandbox limits as a whole: memory and
 * CPU time of all its processes together, and the growth of the directories that it may write to.
 *
 * Where there is a control group (cgroup.h) the kernel holds the memory, and counts all CPU time.
 * Elsewhere both are measured a few times a second, so a task can be over a limit for a moment:
 * memory is then that of the processes, shared or not, and what lies in files in memory; CPU time
 * of processes for which nobody waited is not seen.  Directories are measured as often as costs no
 * more than a twentieth of the time, and once more at the end; files that were removed and are
 * still open count.
 */
#ifndef PROCESS_USAGE_H
#define PROCESS_USAGE_H

#include <sys/types.h>

#include "process/cgroup.h"
#include "process/sandbox.h"

#define USAGE_MS 250 /* between two measurements of processes */

struct usage {
	const struct sandbox *sandbox;
	const struct cgroup *group;
	const char *const *directories; /* absolute, NULL-terminated; of one file system */
	uint64_t baseline;              /* bytes in them when the task began */
	int64_t next_processes;         /* clock_steady of the next measurement */
	int64_t next_directory;
};

/* Begin to measure a task in ${group} (perhaps empty) that may write to ${directories}; all of it
 * stays the caller's. */
void usage_begin(struct usage *m, const struct sandbox *s, const struct cgroup *group,
		 const char *const *directories);

/* Measure all that descends from ${root}, if it is time, or if this is the ${last} time.  0, or -1
 * with ERR_TASK_FAILED if it uses more than it may. */
int usage_check(struct usage *m, pid_t root, bool last, struct err *e);

#endif
