/*
 * reading - a reader says what it has seen of a queue.
 */
#ifndef READING_H
#define READING_H

#include <jansson.h>

#include "visit.h"

/* Do what ${o} asks for: the numbers in "tasks" are "mark" (read, if nothing is said) to "reader";
 * without tasks everything up to "version" was read.  A caller's readers are its own. */
int reading_note(const struct visit *v, const json_t *o, struct err *e);

#endif
