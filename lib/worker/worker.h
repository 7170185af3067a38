/*
 * worker/worker - takes tasks from queues and has each run by a process that does nothing else
 * meanwhile (runner.h).
 *
 * The worker itself stays small and touches no workspace: a task that crashes, leaks or hangs hurts
 * no other.  A task is claimed here and the claim, a lock on its file, is given to its process; if
 * that dies, the lock goes with it and the task is taken again.  A queue whose tasks' processes die
 * again and again is stopped by its breaker, as a profile is.  Deaths at an archive, which somebody
 * sent, count against the task instead.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "worker/task.h"

#define WORKER_QUEUES 6
#define WORKER_JOBS 1024

struct worker_options {
	struct task_options
	    task; /* .recovery is the queue's, unless own_recovery; .profile is chosen */
	bool own_recovery;
	const char *queues[WORKER_QUEUES]; /* searched in this order */
	size_t queue_count;
	size_t jobs;   /* at once, 1 to WORKER_JOBS */
	bool once;     /* one task, and no waiting for it */
	int64_t grace; /* ms that tasks may go on after the first signal to stop */
};

/* Work until TERM, INT or HUP: then no more tasks are taken, and those that run may go on for
 * ${o}->grace; at its end, or at the second signal, they are stopped and handed back.  With
 * ${o}->once: until one task was carried out; ERR_BUSY if there is none, if no profile may be used,
 * or if it is to be tried again. */
int worker_run(const struct worker_options *o, struct err *e);

#endif
