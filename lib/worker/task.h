/*
 * worker/task - one task of the queue that carries out an assignment, from its claim to its end.
 *
 * Every step can be run again: the workspace is made anew from what was received, the result is
 * renamed into place before the record says that it is there, and only then is the task taken off
 * the queue.  A worker that dies in between leaves a task that the next one begins anew.
 */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include "worker/task_options.h"

enum task_end {
	TASK_OVER,     /* it ended, or is no longer wanted: take it off the queue */
	TASK_RETURN,   /* it is still to be done: hand it back */
	TASK_ORPHANED, /* its worker died: neither over nor handed back */
	TASK_DIED,     /* the same, of a process that worked for it */
	TASK_LATER,    /* hand it back; something failed here */
	TASK_LIMITED   /* hand it back until there is a profile for it; this one is rate-limited */
};

/* Carry out the task of ${claim} on ${q}, in a process of its own: signals are blocked and children
 * reaped as they suit this.  Whatever goes wrong is sent to the delegator if it concerns the task,
 * else reported. */
enum task_end task_run(const struct task_options *o, struct queue *q,
		       const struct queue_claim *claim);

#endif
