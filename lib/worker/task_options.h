/*
 * worker/task_options - how the operator has tasks run, and where is reported what happens to them.
 */
#ifndef WORKER_TASK_OPTIONS_H
#define WORKER_TASK_OPTIONS_H

#include "process/sandbox.h"
#include "queue/queue.h"
#include "worker/profile.h"

struct task_options {
	struct sandbox sandbox;
	/* For a task whose worker died: QUEUE_RETURN (it is run again), QUEUE_FAIL or
	 * QUEUE_LOSE. */
	enum queue_event recovery;
	long long max_attempts;          /* after so many deaths it is given up all the same */
	const struct profiles *profiles; /* what the operator has to run tasks with */
	const struct profile *profile;   /* the one for this task */
	uint64_t max_output;             /* bytes of output.log */
	/* Called with what happens to ${what}, mostly an assignment; ${trouble}: something failed
	 * here that the delegator does not learn. */
	void (*report)(void *arg, bool trouble, const char *what, const char *text);
	void *report_arg;
	/* Set while an archive is read or made, in memory that outlives the process, so that its
	 * death then is known to be that of an archive's reader; or NULL. */
	volatile bool *at_archive;
};

/* Read the limits of the environment (AWCP_MAX_OUTPUT, 16M; AWCP_MAX_ATTEMPTS, 3) into ${o}. */
int task_limits(struct task_options *o, struct err *e);

/* Call ${o}->report, if there is one. */
void task_report(const struct task_options *o, bool trouble, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
