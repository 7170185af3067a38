/*
 * lifecycle - lifecycle.log and the counters of what changes its state.
 *
 * Called where a change was made: a record that was saved, a task in the journal.  A line has what
 * it is (event), which one (id), from, to, why, and by whom (logfmt).
 */
#ifndef LOG_LIFECYCLE_H
#define LOG_LIFECYCLE_H

#include <jansson.h>
#include <stdint.h>

#define LIFECYCLE_LOG "lifecycle"

/* Delegation or assignment ${id} of ${collection} came from state ${from} ("": it is new) to the
 * one in ${record}, on ${event} or NULL. */
void lifecycle_record(const char *collection, const char *id, const char *from, const char *event,
		      const json_t *record);

/* It was removed. */
void lifecycle_removed(const char *collection, const char *id, const json_t *record,
		       const char *why);

/* A task that came to another state.  NULL is what there is not. */
struct lifecycle_task {
	const char *id, *last; /* all tasks from the one to the other did the same */
	const char *from, *to;
	int64_t attempt; /* number of the last one; 0: none yet */
	const char *worker, *outcome;
	const char *code, *message; /* of its error */
};

void lifecycle_task(const struct lifecycle_task *t);

/* Something else, a ${what} ("snapshot", "token"), came from a state to another; ${part} of ${id},
 * or NULL; ${why} or NULL. */
void lifecycle_note(const char *what, const char *id, const char *part, const char *from,
		    const char *to, const char *why);

#endif
