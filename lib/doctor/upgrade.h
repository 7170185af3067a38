/*
 * upgrade - brings the state directory of an older version up to date.
 *
 * A step leads from one layout to the next.  It can be run again from its beginning, whatever it
 * did before, and leaves nothing that the older layout does not allow; the file version is replaced
 * only when all of it is done.  So a kill at any moment leaves the old layout or the new one.
 */
#ifndef DOCTOR_UPGRADE_H
#define DOCTOR_UPGRADE_H

#include "base/err.h"

/* Run the steps on the state of this process, with a line in log/lifecycle.log for each, and open
 * it.  ${each} is called after each step with what it did.  ERR_BUSY if somebody is working there.
 * Returns the number of steps, or -1. */
int upgrade_run(void (*each)(void *arg, int to, const char *what), void *arg, struct err *e);

#endif
