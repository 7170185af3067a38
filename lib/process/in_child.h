/*
 * process/in_child - runs a piece of work in a child process.
 *
 * Archives and connections both want memory, but not at the same time: work on an archive that is
 * done in a child gives all of it back when it ends, so that no process is ever as large as both.
 * It also cannot hurt the connection: the death of a child is only an error.
 */
#ifndef PROCESS_IN_CHILD_H
#define PROCESS_IN_CHILD_H

#include "base/buf.h"

/* Fork and call ${work} in the child; what it appends to its ${result} (at most ${result}->max
 * bytes) is appended to ours.  Returns what it returned, with its error.  The child has copies of
 * everything and must change the world only through files and descriptors. */
int in_child(int (*work)(void *arg, struct buf *result, struct err *e), void *arg,
	     struct buf *result, struct err *e);

#endif
