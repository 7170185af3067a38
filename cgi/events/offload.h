/*
 * offload - a pool of threads for work that may block.
 */
#ifndef EVENTS_OFFLOAD_H
#define EVENTS_OFFLOAD_H

/* A piece of work; a member of what it is about. */
struct offload_job {
	void (*work)(struct offload_job *j); /* may free ${j} */
	struct offload_job *next;
};

/* Have a thread do ${j}, in the order of the calls; the caller does it if there can be no thread.
 */
void offload_submit(struct offload_job *j);

#endif
