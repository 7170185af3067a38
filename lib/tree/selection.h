/*
 * selection - paths that a person named, and whether a path is one of them or in one of them.
 *
 * A path may be named with its resource's name in front or, if there is but one resource, without.
 */
#ifndef TREE_SELECTION_H
#define TREE_SELECTION_H

#include "tree/tree.h"

struct selection {
	const char *const *paths; /* the caller's */
	size_t count;             /* none: everything */
	size_t skip;              /* private: bytes of the only resource's name and its slash */
};

/* What ${paths} (${count}; they must outlive the selection) say of ${n} ${resources}. */
struct selection selection_of(const char *const *paths, size_t count,
			      const struct resource *resources, size_t n);

/* Is ${path}, which has its resource's name in front, selected? */
bool selection_has(const struct selection *s, const char *path);

#endif
