/*
 * crew - threads for what may take long and must not be waited for.
 */
#ifndef EVENTS_OFFLOAD_H
#define EVENTS_OFFLOAD_H

/* A piece of work; part of what it is about. */
struct crew_job {
	void (*work)(struct crew_job *j); /* who does it no longer looks at ${j} afterwards */
	struct crew_job *next;
};

/* Have ${j} done by some thread, in the order of the calls; by the caller if there can be none. */
void crew_hand(struct crew_job *j);

/* Start ${run}(NULL) in a thread of its own, with the stack of a thread here.  Returns 0, or what
 * pthread_create does. */
int crew_start(void *(*run)(void *));

#endif
