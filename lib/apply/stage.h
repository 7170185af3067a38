/*
 * stage - where an apply keeps the new until it is applied, and the old from then on.  Private to
 *apply.
 *
 * In every directory that is written to, so on its own file system:
 *
 *	.awcp/apply/owner  path of the state directory that the plan lies in
 *	.awcp/apply/tree/  the new files, by path
 *	.awcp/apply/old/   the old files, by number of the step that took them away
 *	.awcp/apply/dir/   new directories that are to be exchanged for something, by number
 *
 * and in the state directory fresh/, what is new but not in the archive (merged, or put back by an
 * undo), by number of the step that puts it in place, until it is on the stage.
 *
 * Nothing of ours is in it before the plan has its final name, nothing when it is done.
 */
#ifndef APPLY_STAGE_H
#define APPLY_STAGE_H

#include "apply/private.h"

struct stage {
	const struct resource *resource;
	int sourcefd; /* the directory; holds the lock */
	int treefd, oldfd, dirfd;
	bool owned; /* by this transaction, or by nobody: it may be removed */
};

/* Open the directories of ${t}'s resources; unless it is dry, wait until no other apply works on
 * them.  Give the stages back with stages_close also on failure. */
int stages_open(struct transaction *t, struct err *e);
void stages_close(struct transaction *t);

/* Make the stages anew, owned by the job's state directory; what an earlier apply left is cleared
 * away if nothing of ours is in it, else ERR_BUSY says who has to finish. */
int stages_make(struct transaction *t, struct err *e);

/* Open the stages that the plan in the state directory refers to: 1, 0 if one is not whole, -1. */
int stages_find(struct transaction *t, struct err *e);

/* Unpack what the steps of the plan need, with its final modes and times, and make it durable. */
int stages_fill(struct transaction *t, struct err *e);

/* Make the renames of the plan durable. */
int stages_sync(struct transaction *t, struct err *e);

/* Give directories the times that they have when all of the plan is ${done}, or undone: nothing
 * moves in them any more. */
int stages_end(struct transaction *t, bool done, struct err *e);

/* Move the old files into kept/ of the state directory. */
int stages_keep(struct transaction *t, struct err *e);

/* Move the old files into kept/, then remove the stages, if they are owned. */
int stages_remove(struct transaction *t, struct err *e);

/* The stage of the resource that ${path} lies in, or NULL. */
struct stage *stage_of(const struct transaction *t, const char *path);

#endif
