/* state - what one run leaves for the next, in due/.state. */
#ifndef REAP_STATE_H
#define REAP_STATE_H

#include "reap/context.h"

/* Read due/.state; what is missing or makes no sense is zero.  Notices if the clock jumped. */
void reap_state_read(struct reap *r);

/* Write it.  If that fails the next run starts from the previous state. */
void reap_state_write(const struct reap *r);

#endif
