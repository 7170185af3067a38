/*
 * apply_stage - where an apply keeps the new before, and the old after.  Private to apply.
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

#include <stdbool.h>

#include "apply/apply.h"
#include "base/pathset.h"
#include "apply/plan.h"

struct stage {
	const struct resource *resource;
	int sourcefd; /* the directory; holds the lock */
	int treefd, oldfd, dirfd;
	bool owned; /* by this transaction, or by nobody: it may be removed */
};

/* Open the directories of ${count} ${resources}; ${lock}: wait until no other apply works on them.
 * Give ${s} back with stages_close also on failure. */
int stages_open(const struct resource *resources, size_t count, bool lock, struct stage *s,
		struct err *e);
void stages_close(struct stage *s, size_t count);

/* Make the stages anew, owned by ${statefd}; what an earlier apply left is cleared away if nothing
 * of ours is in it, else ERR_BUSY says who has to finish. */
int stages_make(struct stage *s, size_t count, int statefd, struct err *e);

/* Open the stages that the plan in ${statefd} speaks of: 1, 0 if one is not whole, -1. */
int stages_find(struct stage *s, size_t count, int statefd, struct err *e);

/* The absolute path of ${statefd}. */
int stage_state_path(int statefd, char path[TREE_PATH + 1], struct err *e);

/* Unpack what the ${steps} steps of ${plan} need, with its final modes and times, and make it
 * durable. */
int stages_fill(struct stage *s, size_t count, const struct apply_job *job, struct plan *plan,
		uint64_t steps, struct err *e);

/* Make the renames of ${plan} durable. */
int stages_sync(struct stage *s, size_t count, struct plan *plan, uint64_t steps, struct err *e);

/* Give directories the times that they have when all of ${plan} is ${done}, or undone: nothing
 * moves in them any more. */
int stages_end(struct stage *s, size_t count, struct plan *plan, bool done, struct err *e);

/* Move the old files into kept/ of ${statefd}. */
int stages_keep(struct stage *s, size_t count, int statefd, struct err *e);

/* Move the old files into kept/ of ${statefd}, then remove the stages, if they are owned. */
int stages_remove(struct stage *s, size_t count, int statefd, struct err *e);

/* The stage of the resource that ${path} lies in, or NULL. */
struct stage *stage_of(struct stage *s, size_t count, const char *path);

#endif
