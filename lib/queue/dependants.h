/*
 * queue/dependants - which tasks may wait for a task: the numbers in dependants/<n>.
 */
#ifndef QUEUE_DEPENDANTS_H
#define QUEUE_DEPENDANTS_H

#include "queue/private.h"

/* The number of the task that ${id} names, which must be of this queue: ERR_BAD_DATA. */
int queue_number_of(const struct queue *q, const char *id, uint64_t *number, struct err *e);

/* Note the key of a task that is put, and what it depends on.  A note about a task that is not put
 * after all does no harm: whoever reads one looks at the task. */
int queue_note_put(struct queue *q, const json_t *task, struct err *e);

/* Call ${each} with every task that may wait for ${number}, until it returns non-zero, which is
 * returned; -1 on failure. */
int queue_each_dependant(struct queue *q, uint64_t number,
			 int (*each)(void *arg, uint64_t dependant), void *arg, struct err *e);

/* No task waits for ${number} any more. */
int queue_forget_dependants(struct queue *q, uint64_t number, struct err *e);

#endif
