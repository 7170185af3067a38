/*
 * stage - the directories that an apply works on.  Private to apply.
 *
 * What is new is made in the directory where it belongs, under a temporary name (see scene.h), and
 * so it has the group, the ACL and the file system that it is to have; what is old gets such a name
 * until all is done.  Besides there is in each of the directories that were lent
 *
 *	.awcp/apply/owner  path of the state directory that the plan lies in
 *
 * if it can be written to, so that no other apply begins before this one is finished; and in the
 * state directory fresh/, what is new but not in the archive (merged, or put back by an undo), by
 * number of the step that puts it in place, until it is staged.
 *
 * Nothing of ours is in these before the plan has its final name, nothing when it is done.
 *
 * An earlier version kept the new in .awcp/apply/tree/ by path, the old in .awcp/apply/old/ and new
 * directories in .awcp/apply/dir/ by number: a plan of its is finished there.
 */
#ifndef APPLY_STAGE_H
#define APPLY_STAGE_H

#include "apply/private.h"

struct stage {
	const struct resource *resource;
	const char *token;        /* the plan's */
	int sourcefd;             /* the directory; holds the lock */
	int treefd, oldfd, dirfd; /* of a plan of an earlier version, else -1 */
	bool owned;               /* by this transaction, or by nobody: it may be removed */
	bool exact; /* new directories get the very mode of the plan, whatever the umask; */
	bool bits;  /* setgid, too, which else is inherited */
};

/* Open the directories of ${t}'s resources; unless it is dry, wait until no other apply works on
 * them.  Give the stages back with stages_close also on failure. */
int stages_open(struct transaction *t, struct err *e);
void stages_close(struct transaction *t);

/* Say that the directories are the job's state directory's from now on; what an earlier apply left
 * is cleared away if nothing of ours is in it, else ERR_BUSY says who has to finish. */
int stages_make(struct transaction *t, struct err *e);

/* Open what the plan in the state directory refers to: 1, 0 if a stage of an earlier version is not
 * whole, -1.  ERR_BUSY if a directory is not the one that the plan was made for. */
int stages_find(struct transaction *t, struct err *e);

/* Open the directories of ours that the plan writes to and that forbid it. */
int stages_unlock(struct transaction *t, struct err *e);

/* Put what the steps of the plan need under its temporary names, with its final looks, and make it
 * durable.  What cannot be made there is a conflict, reported and counted, or settled and not
 * there.  *${other}: not all of it is as the plan has it. */
int stages_fill(struct transaction *t, bool *other, struct err *e);

/* Write the plan anew to ${planfd} as what was staged is: its modes, and without what is not there.
 */
int stages_correct(struct transaction *t, int planfd, struct err *e);

/* Are the directories that were lent where they were?  ERR_BUSY if not. */
int stages_in_place(const struct transaction *t, struct err *e);

/* Is all still as it was compared, and where it was?  0; -1 with ERR_BUSY, or with conflicts that
 * are reported and counted. */
int stages_check(struct transaction *t, struct err *e);

/* Make the renames of the plan durable. */
int stages_sync(struct transaction *t, struct err *e);

/* Close the directories that stages_unlock opened. */
int stages_lock(struct transaction *t, bool done, struct err *e);

/* The same, and give directories the modes and times that they have when all of the plan is
 * ${done}, or undone: nothing moves in them any more. */
int stages_end(struct transaction *t, bool done, struct err *e);

/* Move the old files into kept/ of the state directory. */
int stages_keep(struct transaction *t, struct err *e);

/* Remove what was staged and not put in place.  Nothing is ours any more. */
int stages_clear(struct transaction *t, struct err *e);

/* Remove the marks that say whose the directories are. */
int stages_remove(struct transaction *t, struct err *e);

/* The directory ${path} of ${s} is written to: note in the plan ${w} that it is to be opened, if it
 * is closed and ours.  The one that was lent is noted in any case, so that it is known again. */
int stage_plan_open(struct stage *s, struct plan_writer *w, const char *path, struct err *e);

/* The stage of the resource that ${path} lies in, or NULL. */
struct stage *stage_of(const struct transaction *t, const char *path);

#endif
