/*
 * since - what a tree was when it was received, beside what it is now.
 *
 * The manifest that unpack wrote is read along with a walk.  A file that bears the size, the times
 * and the inode of then has the content of then: nobody can give a changed file its old ctime.
 * Only in the last tick of the clock before the manifest was finished may a change leave no trace;
 * then, and if there is another trace than content, the hash decides.
 */
#ifndef TREE_SINCE_H
#define TREE_SINCE_H

#include "base/err.h"
#include "tree/tree.h"

#define SINCE_TICK 20000000 /* ns; kernels set times by a clock that stands still for a while */

struct since;

/* Read the manifest ${fd} beside a walk of ${n} ${resources}; both stay the caller's.  ${modes}: a
 * change of mode is one, too. */
struct since *since_open(int fd, const struct resource *resources, size_t n, bool modes,
			 struct err *e);

/* The entry of the walk ${t} is ${now}, in order.  *${same} if it is a file with the content of
 * then; its hash is filled in if it is known or had to be found out. */
int since_look(struct since *s, struct tree *t, struct entry *now, bool *same, struct err *e);

/* Call ${each} (or NULL) for every path that since_count or since_finish count. */
void since_tell(struct since *s, void (*each)(void *arg, const char *path), void *arg);

/* How many files and links have come, changed or gone.  ${now}, if not ${same}, has its hash by
 * now, if it is a file. */
void since_count(struct since *s, const struct entry *now, bool same);
int since_finish(struct since *s, uint64_t *changes, struct err *e);

void since_close(struct since *s);

#endif
