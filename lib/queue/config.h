/*
 * queue/config - what a queue's config.json says, with the defaults where it says nothing.
 */
#ifndef QUEUE_CONFIG_H
#define QUEUE_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "queue/state.h"

struct queue_config {
	int64_t width;             /* tasks that run at once; 0: any number */
	int64_t lane;              /* tasks of one lane at once; 0: any number */
	json_t *lanes;             /* the same for single lanes, or NULL */
	int64_t max_deaths;        /* claims of a task that may be lost; 0: any number */
	enum queue_event recovery; /* QUEUE_RETURN, QUEUE_FAIL or QUEUE_LOSE */
	int64_t retention;         /* ms that a task is kept after its end */
};

/* Read config.json in ${dirfd}, of queue ${queue}, which need not be there.  Free ${c} also after a
 * failure. */
int queue_config_read(int dirfd, const char *queue, struct queue_config *c, struct err *e);
void queue_config_free(struct queue_config *c);

#endif
