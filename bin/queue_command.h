/*
 * queue_command - what the parts of awcp-queue share.
 */
#ifndef QUEUE_COMMAND_H
#define QUEUE_COMMAND_H

#include "command.h"
#include "queue/queue.h"

#define QUEUE_LABELS 16

struct queue_options {
	const char *queue, *lane, *key, *session, *reason, *file, *reader;
	const char *labels[QUEUE_LABELS + 1]; /* NULL-terminated */
	size_t label_count;
	const char *requires[QUEUE_LABELS + 1]; /* or what the worker can */
	size_t require_count;
	json_t *needs;                                      /* ids of -w */
	uint32_t states, marks;                             /* bits; 0: none were given */
	int64_t priority, after, timeout, retries, backoff; /* -1: not given */
	int64_t lease, limit, since, exit, older;
	bool json, unique, always, wait, last, repair, dry;
	bool all; /* no queue was named */
	char **operands;
	int count;
};

/* Each carries out a subcommand and returns the exit status. */
int queue_do_put(const struct queue_options *o);
int queue_do_take(const struct queue_options *o);
int queue_do_beat(const struct queue_options *o);
int queue_do_done(const struct queue_options *o);
int queue_do_fail(const struct queue_options *o);
int queue_do_return(const struct queue_options *o);
int queue_do_limit(const struct queue_options *o);
int queue_do_retry(const struct queue_options *o);
int queue_do_cancel(const struct queue_options *o);
int queue_do_pause(const struct queue_options *o);
int queue_do_resume(const struct queue_options *o);
int queue_do_list(const struct queue_options *o);
int queue_do_show(const struct queue_options *o);
int queue_do_stats(const struct queue_options *o);
int queue_do_wait(const struct queue_options *o);
int queue_do_output(const struct queue_options *o);
int queue_do_read(const struct queue_options *o);
int queue_do_retire(const struct queue_options *o);
int queue_do_check(const struct queue_options *o);

/* Open the queue of the task or claim ${id}, keeping the one that was open last.  What people call
 * a task is looked for in the queue of ${o}.  NULL on failure. */
struct queue *queue_of(const struct queue_options *o, const char *id, struct queue_claim_id *claim,
		       struct err *e);

/* Close what queue_of keeps. */
void queue_of_close(void);

#endif
