/*
 * process/cgroup - a control group for the processes of a task, by which the kernel holds all of
 * them together to a limit.
 *
 * The group is made below that of this process: in the hierarchy of a controller of its own
 * (version 1), or in the common one (version 2), where the unit of the worker must have
 * Delegate=yes.  Where that cannot be done the group is empty, and usage.h measures instead.
 *
 *	awcp-task-<pid>	the processes of a task; <pid> is that of the process that runs it
 *	awcp-run	with version 2 the worker's own, as a group with others in it has no
 *			processes
 */
#ifndef PROCESS_CGROUP_H
#define PROCESS_CGROUP_H

#include "process/sandbox.h"

#define CGROUP_PARTS 3

struct cgroup {
	int parentfd[CGROUP_PARTS]; /* private: directories of hierarchies */
	int dirfd[CGROUP_PARTS];
	int joinfd[CGROUP_PARTS + 1]; /* where a process writes "0" to come in; ended by -1 */
	size_t count;
	char name[32];
	int memory, cpu; /* which part limits or counts it; -1: none does */
	bool unified[CGROUP_PARTS];
};

/* The worker begins, and will have limits as ${s}: with version 2 go to a group of our own, if
 * nobody else is in the present one.  What cannot be done shows when a group is made. */
void cgroup_prepare(const struct sandbox *s);

/* Make a group with the limits of ${s}, as far as that can be done. */
void cgroup_open(struct cgroup *g, const struct sandbox *s);

/* Has the kernel killed one of its processes because they had used up the memory? */
bool cgroup_out_of_memory(const struct cgroup *g);

/* ms of CPU time that its processes have used, those that are gone too; -1 if not known. */
int64_t cgroup_cpu(const struct cgroup *g);

/* All processes are gone: remove it. */
void cgroup_close(struct cgroup *g);

#endif
