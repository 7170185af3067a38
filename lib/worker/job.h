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
#ifndef WORKER_JOB_H
#define WORKER_JOB_H

#include "queue/queue.h"
#include "worker/task.h"

/* Carry out ${claim} of ${q}, in a process of its own, and end the claim.  What is returned is for
 * the worker; the queue knows it already. */
enum task_end job_run(const struct task_options *o, struct queue *q,
		      const struct queue_claim *claim);

#endif
