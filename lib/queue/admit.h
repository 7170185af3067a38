/*
 * queue/admit - what may be asked for.
 */
#ifndef QUEUE_ADMIT_H
#define QUEUE_ADMIT_H

#include <jansson.h>

#include "base/err.h"

/* Is ${asked} a task that may be put: is every member known, and as it must be?  ERR_BAD_DATA,
 * ERR_TOO_LARGE. */
int queue_admit(json_t *asked, struct err *e);

#endif
