/*
 * task - one task of the queue, from its claim to its result.
 *
 * Every step can be run again: the workspace is made anew from what was received, the result is
 * renamed into place before the record says that it is there, and only then is the task taken off
 * the queue.  A worker that dies in between leaves a task that the next one begins anew.
 */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "worker/profile.h"
#include "queue/queue.h"
#include "process/sandbox.h"

struct task_options {
	struct sandbox sandbox;
	/* Of a task that had a worker when that died: QUEUE_RETURN (it is run again), QUEUE_FAIL or
	 * QUEUE_LOSE. */
	enum queue_event recovery;
	long long max_attempts;          /* after so many deaths it is given up all the same */
	const struct profiles *profiles; /* what the operator has to run tasks with */
	const struct profile *profile;   /* the one for this task */
	uint64_t max_output;             /* bytes of output.log */
	/* Told what happens to ${what}, mostly an assignment; ${trouble}: something failed here
	 * that the delegator is not told. */
	void (*report)(void *arg, bool trouble, const char *what, const char *text);
	void *report_arg;
	/* Set while an archive is read or made, in memory that outlives the process, so that its
	 * death then is known to be that of an archive's reader; or NULL. */
	volatile bool *at_archive;
};

enum task_end {
	TASK_OVER,     /* it ended, or is not wanted any more: take it off the queue */
	TASK_RETURN,   /* it is still to be done: hand it back */
	TASK_ORPHANED, /* its worker died: neither over nor handed back */
	TASK_DIED,     /* the same, of a process that worked for it */
	TASK_LATER,    /* hand it back; something failed here */
	TASK_LIMITED   /* hand it back until there is a profile for it; this one has had enough */
};

/* Read the limits of the environment (AWCP_MAX_OUTPUT, 16M; AWCP_MAX_ATTEMPTS, 3) into ${o}. */
int task_limits(struct task_options *o, struct err *e);

/* Carry out the task of ${claim} on ${q}, in a process of its own: signals are blocked and children
 * reaped as they suit this.  Whatever goes wrong is told to the delegator if it concerns the task,
 * else reported. */
enum task_end task_run(const struct task_options *o, struct queue *q,
		       const struct queue_claim *claim);

#endif
