/*
 * snapshot - what came back from a delegation, until it is applied or discarded.
 *
 * In the delegation's directory:
 *
 *	base.archive base.manifest     what was sent
 *	snapshots/<snap>/manifest      what came back, all of it
 *	snapshots/<snap>/data.tar.zst  files and links of it that are not as they were sent
 *	snapshots/<snap>/undo kept/    apply's, for an undo (see apply.c)
 *	snapshots/<snap>/undone/       an undo's own plan and kept files, until it is done
 *	snapshots/incoming/            being received
 *
 * and in its record, in the array "snapshots", {id, delegationId, summary, highlights?, status:
 * "pending" | "applied" | "discarded", localPath, metadata?, recommended?, createdAt, appliedAt?,
 * undoneAt?}.  Nothing here needs the record's lock but what changes the record, and says so.
 */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include "apply/apply.h"
#include "base/id.h"
#include "archive/pack.h"
#include "state/record.h"
#include "tree/guard.h"

#define SNAPSHOT_MANIFEST "manifest"
#define SNAPSHOT_ARCHIVE "data.tar.zst"

/* A snapshot that arrives.  Two processes that receive the same one do not disturb each other: the
 * first to finish wins. */
struct snapshot_incoming {
	int fd; /* write the archive here */
	char id[ID_MAX + 1];
	int parentfd; /* private: snapshots/ */
	int dirfd;    /* private: snapshots/incoming/ */
	bool part;    /* private: that is there */
};

/* True if snapshot ${id} has arrived whole in the delegation's directory ${dirfd}. */
bool snapshot_held(int dirfd, const char *id);

/* Begin to receive snapshot ${id} (checked here) into the delegation's directory ${dirfd}. */
int snapshot_receive(int dirfd, const char *id, struct snapshot_incoming *in, struct err *e);

/* All of the archive is written: check it as unpack does (and as delta does, if that was agreed
 * on), store of it what was not sent, make that durable and put it in its place.  *${metadata} is a
 * new {fileCount, totalBytes, changedFiles (the first MESSAGE_CHANGED paths), added, changed,
 * deleted} against what was sent with ${delegation} (the record's JSON).  It is fine if the
 * snapshot is there already.  Ends ${in} in any case. */
int snapshot_store(struct snapshot_incoming *in, const json_t *delegation, json_t **metadata,
		   struct err *e);

/* Throw away what has arrived so far. */
void snapshot_abort(struct snapshot_incoming *in);

/* Note a snapshot in the record ${r}, which is open for change; the caller saves it.  Summary,
 * highlights and recommended are the ${event}'s, whose other members are not looked at;
 * ${metadata} (borrowed) may be NULL.  One that is noted already is left as it is.  Beyond
 * snapshotPolicy.maxSnapshots the oldest pending one that nobody recommended is discarded. */
int snapshot_add(struct record *r, const char *id, const json_t *event, json_t *metadata,
		 struct err *e);

/* ${id} is the one to take (recommendedSnapshotId of "done"): marks it so in the record, which is
 * open for change; the caller saves it.  An id that is not there is ignored. */
int snapshot_recommend(struct record *r, const char *id, struct err *e);

/* The resources in a delegation's record, with their filters; ${count} of them, sorted by name.
 * Free them with snapshot_resources_free. */
int snapshot_resources(const json_t *delegation, struct resource **resources, size_t *count,
		       struct err *e);
void snapshot_resources_free(struct resource *resources, size_t count);

/* The entry (borrowed) of the snapshot that ${prefix} names: an id or the beginning of just one.
 * NULL stands for the recommended one if it is pending, else the latest pending one, else the
 * latest that was applied.  Returns NULL with ERR_NOT_FOUND, or ERR_USAGE if it is not unique. */
json_t *snapshot_pick(const json_t *delegation, const char *prefix, struct err *e);

/* True if the entry ${snapshot} has that status. */
bool snapshot_has_status(const json_t *snapshot, const char *status);

/* Remove the files of snapshot ${id}, if there are any; for one that is noted as discarded. */
int snapshot_remove_files(const struct record *r, const char *id, struct err *e);

/* How apply reports what it does; see struct apply_job. */
typedef void snapshot_report(void *arg, enum apply_action action, const char *path,
			     const char *why);

/* What becomes of conflicts at a path; see struct apply_choice and selection.h. */
struct snapshot_choice {
	enum apply_settle how;
	const char *path;
};

/* How a snapshot is to be taken.  All zeros: conflicts stop it, and nothing is reported. */
struct snapshot_taking {
	bool dry;                              /* only report */
	enum apply_settle settle;              /* conflicts for which nothing else is chosen: */
	const struct snapshot_choice *choices; /* of those that name a path the last counts */
	size_t choice_count;
	const char *const *only; /* undo: these paths and no others; see selection.h */
	size_t only_count;       /* 0: all */
	bool guarded;            /* take guarded paths, too: among those of choices, if any */
	bool markers;
	bool modes; /* what is new has the peer's mode, whatever the umask */
	snapshot_report *report;
	void *arg;
};

/* Take snapshot ${snap} (see snapshot_pick) of ${delegation} into its directories, or finish what
 * was begun.  Writes its id to ${taken} (or NULL).  Then the record says applied.  With conflicts
 * nothing is changed, it stays pending, and ERR_CONFLICT is returned.  One that was applied or
 * discarded before is ERR_BAD_STATE.  Takes the record's lock, but not while it works on the tree.
 */
int snapshot_apply(const char *delegation, const char *snap, const struct snapshot_taking *how,
		   struct apply_totals *totals, char taken[ID_MAX + 1], struct err *e);

/* Bring back what was before snapshot ${snap} was applied; NULL: the one applied last.  Then it is
 * pending again; but if only some paths were asked for it stays applied, and the others can still
 * be undone.  Paths that were changed since are conflicts: nothing is undone, unless they are
 * settled with APPLY_OURS.  ERR_NOT_FOUND if the old files are not kept any more.  ${how} is as for
 * snapshot_apply.  One that was cut off is finished, with the paths that it was begun with. */
int snapshot_undo(const char *delegation, const char *snap, const struct snapshot_taking *how,
		  struct apply_totals *totals, char undone[ID_MAX + 1], struct err *e);

/* Refuse it: the record says discarded, then its files are removed.  Takes the record's lock.
 * ERR_BAD_STATE if it was applied; one that is discarded already is fine. */
int snapshot_discard(const char *delegation, const char *snap, char refused[ID_MAX + 1],
		     struct err *e);

/* Take away what an apply or an undo of snapshot ${snap} (see snapshot_pick) that was cut off
 * before it changed anything left in the directories.  It is fine if there is nothing.  ERR_BUSY
 * while one is at work. */
int snapshot_clear(const char *delegation, const char *snap, struct err *e);

/* What a snapshot changes, a path at a time, in order. */
struct snapshot_change {
	char kind; /* 'A' added, 'M' changed, 'm' in mode only, 'D' deleted, 'T' of another type */
	const char *path;
	const struct entry *before; /* NULL if added */
	const struct entry *after;  /* NULL if deleted */
	enum guarded guarded;
};
typedef int snapshot_each(void *arg, const struct snapshot_change *change, struct err *e);

/* Compare snapshot ${snap} (a whole id) with what was sent; ${each} returns 0, or -1 to stop. What
 * a peer without fidelity cannot know (modes, links) is no change. */
int snapshot_changes(const struct record *r, const char *snap, snapshot_each *each, void *arg,
		     struct err *e);

/* How a snapshot is to be exported, and what became of that. */
struct snapshot_exporting {
	int fd; /* where to */
	enum pack_format format;
	bool guarded; /* guarded paths as they came back; else they are as they were sent */
	/* Out: files and links that are as they were sent for that reason. */
	uint64_t withheld;
	char first[TREE_PATH + 1]; /* of them */
};

/* Write the snapshot as an archive: the whole tree that came back, but for what is guarded; first
 * what is as it was sent, then what is not. */
int snapshot_export(const struct record *r, const char *snap, struct snapshot_exporting *how,
		    struct err *e);

/* Two directories, a/ with the files and links as they were sent, b/ as they came back; only what
 * differs.  If there is one resource its name is left out of the paths.  What git would not look
 * at, because it lies in a .git, is in hidden/a and hidden/b; "guarded" has a pattern for each
 * other path that is guarded, as git-diff(1) wants it with -O. */
struct snapshot_trees {
	char path[4096];       /* absolute; what is said above is in it */
	char name[ID_MAX + 1]; /* private */
};

/* Lay them out below the state directory's tmp/.  ${paths} (${count}; 0 for all) restrict to files
 * and directories, named with or without the resource's name if there is but one. */
int snapshot_extract(const struct record *r, const char *snap, const char *const *paths,
		     size_t count, struct snapshot_trees *t, struct err *e);
void snapshot_trees_remove(struct snapshot_trees *t);

#endif
