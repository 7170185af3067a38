/*
 * snapshot/private - what the parts of snapshot share.
 */
#ifndef SNAPSHOT_PRIVATE_H
#define SNAPSHOT_PRIVATE_H

#include "snapshot/snapshot.h"

/* What came back as a snapshot; its base is what was sent. */
struct snapshot_tree {
	struct tree came, sent;
};

/* Open the record of ${delegation} for reading and find the entry (borrowed) of the snapshot
 * ${snap} (see snapshot_pick) in it, whose id goes to ${id}; NULL on failure.  ${r} has to be
 * closed in any case. */
const json_t *snapshot_open(struct record *r, const char *delegation, const char *snap,
			    char id[ID_MAX + 1], struct err *e);

/* Open the trees of snapshot ${id}; ERR_NOT_FOUND if it was discarded.  Give ${s} back with
 * snapshot_tree_close also on failure. */
int snapshot_tree_open(struct snapshot_tree *s, const struct record *r, const char *id,
		       struct err *e);
void snapshot_tree_close(struct snapshot_tree *s);

/* Compare ${came}, whose base is what was sent, as snapshot_changes; with ${let} as for
 * compare_open. */
int snapshot_compare(const json_t *delegation, const struct tree *came, enum guarded let,
		     snapshot_each *each, void *arg, struct err *e);

/* Open the directory of snapshot ${id} and keep others from working with it until it is closed;
 * with ${wait} false ERR_BUSY if somebody does. */
int snapshot_open_locked(const struct record *r, const char *id, bool wait, struct err *e);

/* ERR_BAD_STATE if the entry ${snapshot} is not pending. */
int snapshot_check_pending(const json_t *snapshot, struct err *e);

/* Note in the record that snapshot ${id} is "applied", "discarded" (only one that is pending), or
 * "pending" again.  Takes the record's lock. */
int snapshot_mark(const char *delegation, const char *id, const char *status, struct err *e);

/* Have ${job}, whose resources are known, settle conflicts as ${how} says.  ${*choices} is to be
 * freed after the job. */
int snapshot_choose(struct apply_job *job, const struct snapshot_taking *how,
		    struct apply_choice **choices, struct err *e);

/* Clear away what an undo that is done, so that the snapshot is pending again, may have left in its
 * directory ${statefd}. */
int snapshot_forget_undo(int statefd, struct err *e);

#endif
