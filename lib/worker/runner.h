/*
 * runner - the processes of a worker that carry out its tasks, each one at a time.
 *
 * A process is started for a task when none waits for one, and given others after it: starting it
 * costs more than many a task.  It is given a claim, which it holds then: the lock on the claim's
 * file ends with it.  One that has waited for a while, has had many tasks or was told to stop gets
 * no more and ends.
 *
 * To the worker it says of each task how that ended.  What it has not said when it is gone, it died
 * of.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "queue/queue.h"

enum runner_end {
	RUNNER_DONE,
	RUNNER_AGAIN,     /* the task is to be run again */
	RUNNER_NOT_BEGUN, /* it could not begin */
	RUNNER_DIED
};

/* A task, as the worker knows it. */
struct runner_task {
	size_t queue, profile; /* which of the worker's */
	struct queue_claim_id claim;
};

struct runner {
	pid_t pid; /* 0: there is none in this place */
	int fd;    /* to it */
	bool busy;
	bool spent;              /* it gets no more */
	struct runner_task task; /* that it has or had */
	size_t count;            /* of tasks that it was given */
	int64_t idle;            /* clock_steady since when it has none */
};

struct runners {
	struct runner *place;
	size_t places;
	size_t busy;
	int answerfd;              /* can be read when one has something to say */
	int sayfd;                 /* theirs */
	volatile bool *at_archive; /* of each place, in memory that is theirs, too */
	/* In the process: carry out ${c}, which is ${t}; ${at_archive} is its own. */
	enum runner_end (*work)(void *arg, const struct runner_task *t, struct queue_claim *c,
				volatile bool *at_archive);
	/* In the worker: ${t} has ended.  Of RUNNER_DIED ${signal} is the reason, 0 if it just
	 * ended, and ${at_archive} says whether it was at work on an archive. */
	void (*ended)(void *arg, const struct runner_task *t, enum runner_end end, int signal,
		      bool at_archive);
	void *arg;
};

/* Have room for ${n} of them; .work, .ended and .arg are set already.  None is started. */
int runners_open(struct runners *r, size_t n, struct err *e);

/* Let all end, and wait for them: none is busy.  Those in ${r} that never was opened are none. */
void runners_close(struct runners *r);

/* Give the task ${t}, claimed as ${c}, to one; there is a place for it.  ${c} stays the caller's
 * to free.  -1 if it could not be given; it is the caller's still. */
int runners_give(struct runners *r, const struct runner_task *t, const struct queue_claim *c,
		 struct err *e);

/* See what they have said, and who is gone, and call .ended for each task that is over. */
void runners_reap(struct runners *r);

/* Let those end that have waited long enough.  Returns in how many ms to call this again, or
 * ${most}. */
int64_t runners_dismiss(struct runners *r, int64_t most);

/* Tell a busy one to stop: it is sent TERM, and gets no more tasks. */
void runner_stop(struct runner *one);

/* Kill all processes of this one but the runners. */
void runners_sweep(const struct runners *r);

#endif
