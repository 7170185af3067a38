/*
 * offload - a pool of threads for work that may block.
 */
#ifndef EVENTS_OFFLOAD_H
#define EVENTS_OFFLOAD_H

/* A piece of work; part of what it is about. */
struct offload_job {
	void (*work)(struct offload_job *j); /* who does it no longer looks at ${j} afterwards */
	struct offload_job *next;
};

/* Have ${j} done by some thread, in the order of the calls; by the caller if there can be none. */
void offload_submit(struct offload_job *j);

/* Start ${run}(NULL) in a thread of its own, with the stack of a thread here.  Returns 0, or what
 * pthread_create does. */
int offload_thread(void *(*run)(void *));

#endif
