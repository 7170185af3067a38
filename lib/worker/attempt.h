/*
 * worker/attempt - one attempt at the task of an assignment: unpack the workspace, run the command,
 * pack the result, and report each to the assignment.
 */
#ifndef WORKER_ATTEMPT_H
#define WORKER_ATTEMPT_H

#include <sys/stat.h>

#include "worker/execution.h"
#include "worker/task.h"

struct attempt {
	const struct task_options *options;
	struct record record; /* of the assignment, not locked */
	struct stat seen;     /* the record's file when it was last read */
	int64_t run;          /* of the assignment */
	int64_t number;       /* from 1 */
	int64_t deaths;       /* earlier attempts whose worker died */
	struct execution execution;
	struct workspace workspace;
	struct output *output;
	char retired[ID_MAX + 1]; /* where in tmp/ the workspace went, or "" */
	bool waits;               /* the command has done its work, for which there was no space */
};

/* Carry out ${a}; its execution has begun, and run.lock is held. */
enum task_end attempt_run(struct attempt *a);

/* Something of ours failed because of ${why}: wait a little, then hand the task back. */
enum task_end attempt_postpone(struct attempt *a, const struct err *why);

#endif
