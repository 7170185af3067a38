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

/* End ${claim} on ${q} as ${end} says; ${pause}: TASK_LIMITED for so many ms. */
int task_finish(struct queue *q, const struct queue_claim *claim, enum task_end end, int64_t pause,
		struct err *e);

/*
 * worker/job - a task of a queue that is not a delegation: a prompt, and a fresh directory to work
 * in.
 *
 * queue/<name>/jobs/<number>/ has work/, where the command starts, and report/ while it runs, and
 * output.log, of the last attempt, for as long as the task is kept.  The command decides what
 * becomes of the task: exit 0, it is completed, with what was written to AWCP_RESULT or the last
 * lines of its output as the result; 75, it is rate-limited until a profile may be used for it;
 * anything else, it failed.  (See outcome.h.)
 */

/* Carry out ${claim} of ${q}, in a process of its own, and end the claim.  What is returned is for
 * the worker; the queue knows it already. */
enum task_end job_run(const struct task_options *o, struct queue *q,
		      const struct queue_claim *claim);

#endif
