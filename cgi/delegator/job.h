/*
 * delegator/job - what a request asks for and a web program should not do itself: talk to
 * executors, and work on directories.
 *
 * Each job is a process of its own, the same program started as "awcp-delegator job id [snapshot]":
 * follow, cancel, apply, discard, answer.  A fork alone would not do, for a child of a process with
 * threads may do next to nothing before it executes something; and what libcurl and libarchive take
 * is given back when the job is done.
 *
 * Nobody waits for the job that follows a delegation from INVITE to its end.  It has a session of
 * its own and outlives the program that started it: the record says all that it needs to know, and
 * the lock (follow.lock) that it is there.  If it dies, or the machine does, the next
 * awcp-delegator finds the unfinished record without a follower and starts one
 * (delegator_job_respawn).  So no third program has to be run and supervised.
 */
#ifndef DELEGATOR_JOB_H
#define DELEGATOR_JOB_H

#include <jansson.h>

#include "base/err.h"

struct delegator_job {
	const char *name; /* "cancel" */
	const char *id;
	const char *snapshot; /* or NULL */
	const char *input; /* its stdin, for what not everybody on the machine may read; or NULL */
};

/* Run ${job} and wait for its end.  -1 with its error; *${more} is then an object with what else
 * there is to report, or NULL. */
int delegator_job_run(const struct delegator_job *job, json_t **more, struct err *e);

/* Start to follow ${id}, and do not wait. */
int delegator_job_follow(const char *id, struct err *e);

/* "awcp-delegator job id [snapshot]", in the process that was started for it; the exit status.  A
 * failure is reported as a JSON object on stdout: {error, code, hint, conflicts?}. */
int delegator_job_main(int argc, char **argv);

/* From now on, see to it that every unfinished delegation that came over HTTP has a follower. */
int delegator_job_respawn(struct err *e);

#endif
