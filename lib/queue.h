/*
 * queue - what is to be done, as files that are renamed.
 *
 *	queue/<name>/pending/<task>   put: written elsewhere, then renamed here
 *	queue/<name>/running/<task>   claimed: whoever renames it here has it, and holds flock on it
 *
 * A task's name begins with the time it was put, so that the names are in order of age.  Its file
 * holds a JSON object.  A task in running/ that nobody holds a lock on lost its worker: the next
 * take brings it back, and counts that.  Done: the file is removed.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <jansson.h>

#include "err.h"

#define QUEUE_NAME 64  /* longest queue name */
#define QUEUE_TASK 192 /* longest task name */

struct queue_task {
	char name[QUEUE_TASK];
	int fd; /* holds the claim */
	/* The object that was put; "attempt" counts claims from 1, "deaths" those that were
	 * begun and ended without queue_done or queue_return. */
	json_t *json;
};

/* Put ${task}, which the queue names after ${id}; durable when this returns. */
int queue_put(const char *queue, const char *id, const json_t *task, struct err *e);

/* Claim the oldest task.  Returns 1, 0 if there is none, -1. */
int queue_take(const char *queue, struct queue_task *t, struct err *e);

/* Make durable that ${t} was claimed, before anything is done for it.  It may be another process
 * than the one that took it, forked from it: so those of several tasks wait for the disk at the
 * same time. */
int queue_begin(const char *queue, struct queue_task *t, struct err *e);

/* The task is over: remove it and let go.  */
int queue_done(const char *queue, struct queue_task *t, struct err *e);

/* Hand the task back: it is pending again, in its old place. */
int queue_return(const char *queue, struct queue_task *t, struct err *e);

/* Let go of the task as a worker that dies does: it is taken again, and a death is counted. */
void queue_drop(struct queue_task *t);

/* The directory to watch for new tasks; made if missing.  Copies its absolute path. */
int queue_path(const char *queue, char *path, size_t size, struct err *e);

#endif
