/*
 * slots - how many connections may wait at once, for events or for a task.
 */
#ifndef EVENTS_SLOTS_H
#define EVENTS_SLOTS_H

#include "base/err.h"

/* Read AWCP_STREAMS, the maximum (65536), which the limit on open files may lower. */
int slots_policy(struct err *e);

/* Take a slot; ERR_BUSY when there is none. */
int slots_take(struct err *e);

/* Give it back. */
void slots_release(void);

#endif
