/*
 * errand - what a request asks for and a web program should not do itself: talk to executors, and
 * work on directories.
 *
 * Each errand is a process of its own, the same program started as "awcp-delegator errand id
 * [snapshot]": follow, cancel, apply, discard, answer.  A fork alone would not do, for a child of a
 * process with threads may do next to nothing before it executes something; and what libcurl and
 * libarchive take is given back when the errand is done.
 *
 * To follow a delegation from INVITE to its end is an errand that nobody waits for.  It has a
 * session of its own and outlives the program that started it: the record says all that it needs to
 * know, and its lock (follow.lock) that it is there.  If it dies, too, or if the machine does,
 * errand_keep of the next awcp-delegator finds the unfinished record without a follower and starts
 * one.  So there is no third program to be run and watched over, and nothing is lost with any of
 * the two.
 */
#ifndef DELEGATOR_JOB_H
#define DELEGATOR_JOB_H

#include <jansson.h>

#include "base/err.h"

/* Run an errand and wait for its end; ${input} (or NULL) is its stdin, for what not everybody on
 * the machine may read.  -1 with its error; *${more} is then an object with what else there is to
 * say, or NULL. */
int errand_run(const char *errand, const char *id, const char *snapshot, const char *input,
	       json_t **more, struct err *e);

/* Start to follow ${id}, and do not wait. */
int errand_follow(const char *id, struct err *e);

/* From now on, see to it that every unfinished delegation that came over HTTP has a follower. */
int errand_keep(struct err *e);

#endif
