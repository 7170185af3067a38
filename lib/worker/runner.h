/*
 * worker/runner - the processes of a worker that run its tasks, each one task at a time.
 *
 * A runner is started for a task when none waits for one, and given others after it, because
 * starting it costs more than many a task.  With the task it is given the claim, which it then
 * holds: the lock on the claim's file ends with it.  A runner that has waited for a while, has had
 * many tasks or was stopped gets no more and ends.
 *
 * It reports to the worker how each task ended.  A runner that ends without a report died of its
 * task.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <sys/types.h>

#include "queue/queue.h"

enum runner_end {
	RUNNER_DONE,
	RUNNER_AGAIN,  /* the task is to be run again */
	RUNNER_FAILED, /* the same, but something of ours failed: not at once */
	RUNNER_DIED
};

/* A task, as the worker identifies it. */
struct runner_task {
	size_t queue, profile; /* which of the worker's */
	struct queue_claim_id claim;
};

struct runner {
	pid_t pid; /* 0: the slot is free */
	int fd;    /* to it */
	bool busy;
	bool spent;              /* it gets no more tasks */
	struct runner_task task; /* that it has or had */
	size_t count;            /* of tasks that it was given */
	int64_t idle;            /* clock_steady since when it has none */
};

struct runners {
	struct runner *slot;
	size_t count; /* of slots */
	size_t busy;
	int reportfd;              /* can be read when a runner has reported */
	int replyfd;               /* their end of it */
	volatile bool *at_archive; /* of each slot, in shared memory */
	/* In the runner: run ${c}, which is ${t}; ${at_archive} is its own. */
	enum runner_end (*work)(void *arg, const struct runner_task *t, struct queue_claim *c,
				volatile bool *at_archive);
	/* In the worker: ${t} has ended.  Of RUNNER_DIED ${signal} is the reason, 0 if it just
	 * ended, and ${at_archive} says whether it was at work on an archive. */
	void (*ended)(void *arg, const struct runner_task *t, enum runner_end end, int signal,
		      bool at_archive);
	void *arg;
};

/* Make ${n} slots; .work, .ended and .arg are set already.  No runner is started. */
int runners_open(struct runners *r, size_t n, struct err *e);

/* Let all end, and wait for them: none is busy.  Does nothing for ${r} that was never opened. */
void runners_close(struct runners *r);

/* Give the task ${t}, claimed as ${c}, to a runner; there is a slot for it.  ${c} stays the
 * caller's to free.  -1 if it could not be given; the claim is still the caller's. */
int runners_give(struct runners *r, const struct runner_task *t, const struct queue_claim *c,
		 struct err *e);

/* Read the reports, reap those that are gone, and call .ended for each task that is over. */
void runners_reap(struct runners *r);

/* Let those end that have waited long enough.  Returns in how many ms to call this again, or
 * ${max}. */
int64_t runners_dismiss(struct runners *r, int64_t max);

/* Stop a busy one: it is sent TERM, and gets no more tasks. */
void runner_stop(struct runner *one);

/* Kill all processes of this one but the runners. */
void runners_sweep(const struct runners *r);

#endif
