/*
 * carry - what can be sent at all, and what to a peer that keeps neither modes nor links, as the
 * reference implementation, which knows nothing but its own kind of ZIP.  Who packs and who checks
 * beforehand ask here.
 */
#ifndef TREE_CARRY_H
#define TREE_CARRY_H

#include "tree/walk.h"

/* 0 if the path of ${entry} arrives at such a peer as it is; else -1 with ERR_WORKSPACE_INVALID. */
int carry_name(const struct entry *entry, struct err *e);

/* The same of the link ${entry}, in a resource whose name has ${top} bytes, for any peer: it must
 * not lead out of what is sent. */
int carry_link(const struct entry *entry, size_t top, struct err *e);

#endif
