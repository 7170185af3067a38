/*
 * pathset - many paths in little memory: "is this one of them?"
 *
 * Keeps 64 bits of each, so a wrong yes is possible, once in 10^13 for a million paths; whoever
 * asks must be able to live with that.  It is never a wrong no.
 */
#ifndef BASE_PATHSET_H
#define BASE_PATHSET_H

#include "base/err.h"

struct pathset {
	uint64_t *hashes;
	size_t count, cap;
	bool sorted;
};

/* An empty one is all zeros. */
int pathset_add(struct pathset *s, const char *path, struct err *e);

bool pathset_has(struct pathset *s, const char *path);

/* The 64 bits that are kept of ${path}. */
uint64_t pathset_hash(const char *path);

void pathset_free(struct pathset *s);

#endif
