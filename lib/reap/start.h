/* start - leaves what takes long, or talks to others, to the command that does it. */
#ifndef REAP_START_H
#define REAP_START_H

#include "reap/context.h"

/* Start program ${argv}[0] of ours for ${delegation} without waiting for it; its output goes to the
 * delegation's follow.log.  ERR_BUSY if this run has started enough. */
int reap_start(struct reap *r, const struct record *delegation, char *const *argv, struct err *e);

#endif
