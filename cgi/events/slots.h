/*
 * slots - how many connections may wait at once, for events or for a task.
 */
#ifndef EVENTS_SLOTS_H
#define EVENTS_SLOTS_H

#include "http/holder.h"

/* Read AWCP_STREAMS, the maximum (65536), which the limit on open files may lower. */
int slots_policy(struct err *e);

/* Take a slot for a connection that ${p} let in; ERR_BUSY when there is none, ERR_RATE_LIMITED when
 * its token has too many. */
int slots_take(const struct pass *p, struct err *e);

/* Give it back. */
void slots_release(const struct pass *p);

#endif
