/*
 * marks - a reader says what it has seen of a queue.
 */
#ifndef QUEUED_MARKS_H
#define QUEUED_MARKS_H

#include "queued/tenant.h"

/* Do what ${o} asks for: the numbers in "tasks" are "mark" (read, if nothing is said) to "reader";
 * without tasks everything up to "version" was read.  A caller's readers are its own. */
int marks_set(const struct tenant *t, const json_t *o, struct err *e);

#endif
