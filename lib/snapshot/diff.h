/*
 * snapshot/diff - shows what snapshot_extract laid out, by git-diff(1).
 */
#ifndef SNAPSHOT_DIFF_H
#define SNAPSHOT_DIFF_H

#include "snapshot/snapshot.h"

/* Run git diff on ${t}, output to stdout: unified, or with ${stat} a line a file; guarded paths
 * first.  On a terminal
 * git colours it and uses the person's pager.  ERR_CONFIG if there is no git. */
int snapshot_diff(const struct snapshot_trees *t, bool stat, struct err *e);

#endif
