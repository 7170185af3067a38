/*
 * baseline - what a tree was when it was received, compared with what it is now.
 *
 * The manifest that unpack wrote is read along with a walk.  A file with the size, the times and
 * the inode that it had then has the content that it had then: nobody can give a changed file its
 * old ctime.  Only in the last tick of the clock before the manifest was finished may a change
 * leave no trace; then, and if anything but the content differs, the hash decides.
 */
#ifndef TREE_BASELINE_H
#define TREE_BASELINE_H

#include "tree/walk.h"

#define BASELINE_TICK                                                              \
	20000000 /* ns; kernels set times by a clock that stands still for a while \
		  */

struct baseline;

/* Read the manifest ${fd} beside a walk of ${n} ${resources}; both stay the caller's.  ${modes}: a
 * change of mode is one, too. */
struct baseline *baseline_open(int fd, const struct resource *resources, size_t n, bool modes,
			       struct err *e);

/* Find what the entry ${now} of the walk ${w}, whose entries come in order, was then.  *${same} if
 * it is a file with the content that it had then; its hash is filled in if it is known or had to be
 * found out. */
int baseline_match(struct baseline *b, struct walk *w, struct entry *now, bool *same,
		   struct err *e);

/* Call ${each} (or NULL) for every path that baseline_count or baseline_finish count. */
void baseline_on_change(struct baseline *b, void (*each)(void *arg, const char *path), void *arg);

/* Ask ${stays} for every entry that is gone: 1 to take it for one that stays as it was, 0, or -1.
 */
void baseline_on_gone(struct baseline *b,
		      int (*stays)(void *arg, const struct entry *then, struct err *e), void *arg);

/* What the entry last matched was; NULL if it was not there. */
const struct entry *baseline_then(const struct baseline *b);

/* All before ${path}, which is not to be matched, has been walked. */
int baseline_skip(struct baseline *b, const char *path, struct err *e);

/* How many files and links have come, changed or gone.  ${now}, if not ${same}, has its hash by
 * now, if it is a file. */
void baseline_count(struct baseline *b, const struct entry *now, bool same);
int baseline_finish(struct baseline *b, uint64_t *changes, struct err *e);

void baseline_close(struct baseline *b);

#endif
