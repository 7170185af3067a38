/*
 * apply - takes what came back into the directory it was lent from, and loses nothing.
 *
 * By path, from three sides: base (the manifest of what was sent), theirs (the manifest of what
 * came back), ours (the directory now).  Theirs = base: leave ours.  Ours = base: take theirs, also
 * when it is gone.  Ours = theirs: nothing to do.  Else it changed on both sides: a conflict, and
 * with one conflict nothing at all is changed.  Resources lent "ro" and excluded paths are never
 * touched.
 *
 * What the worker made of a guarded path (tree/guard.h) is a conflict of its own kind, also if we
 * did not touch it, until it is asked for; and of git's own files nothing is taken at all.
 *
 * What is to change is written to a plan; new content is unpacked in the directory where it
 * belongs, under a temporary name, and made durable; then path by path the old is set aside, under
 * such a name, and the new renamed into place, if the old is still what was compared.  A crash
 * leaves the plan, from which the next call finishes.  Applies to one tree take turns (flock on the
 * directory).
 *
 * What is new has the owner, the group and the ACL that the directory and the umask give it; what
 * takes the place of a file keeps owner, group and extended attributes of that, but what it may do
 * (capabilities).
 *
 * Times follow content: a file that changes gets theirs, and if only its time was changed there it
 * gets that if nobody touched it here; a conflict that is not.  A directory, whose time tells when
 * something last came or went in it, gets theirs if nothing did here.
 *
 * An undo is an apply, too: its plan is the reverse of the one that was done, and what it puts in
 * place are the files that were kept.
 */
#ifndef APPLY_APPLY_H
#define APPLY_APPLY_H

#include "tree/selection.h"

enum apply_action {
	APPLY_ADD,
	APPLY_CHANGE,
	APPLY_DELETE,
	APPLY_CONFLICT,
	APPLY_SETTLED,
	APPLY_GUARDED, /* a conflict: a guarded path */
	APPLY_WITHHELD /* the first of those that are never taken */
};

/* What becomes of conflicts: nothing is applied; theirs is taken although we changed it, too; ours
 * stays; or the changes of both are put together, line by line, in regular files of text. */
enum apply_settle { APPLY_ASK, APPLY_THEIRS, APPLY_OURS, APPLY_MERGE };

/* What becomes of conflicts at some paths.  With APPLY_OURS these stay as they are here, also where
 * there is no conflict. */
struct apply_choice {
	enum apply_settle how;
	struct selection paths;
};

struct apply_job {
	const struct resource *resources;
	size_t count;
	const struct tree *theirs; /* what came back; its base is what was sent */
	int statefd;               /* the snapshot's directory: plan and kept files lie in it */
	/* Undo the apply whose state directory is ${donefd}: what it kept is theirs, what it made
	 * is base.  ${statefd} is the undo's own, and ${theirs} is not used. */
	bool undo;
	int donefd;
	/* The peer keeps modes and links.  If not: a file whose content did not change is left
	 * alone with its mode and its being a link, a changed file keeps its old mode, a new one is
	 * 0644, or 0755 if it begins with "#!". */
	bool fidelity;
	/* And times.  If not, what is new here is as new as it is. */
	bool times;
	bool dry; /* only report */
	/* Only finish, or clear away, what an earlier call left. */
	bool clear;
	enum apply_settle settle; /* what becomes of conflicts for which nothing else is chosen: */
	const struct apply_choice *choices; /* of those that name a path the last counts */
	size_t choice_count;
	struct selection only; /* undo: these paths, and no others */
	/* Take what is guarded, too: among the paths of choices, if there are any.  A path that is
	 * named in a choice of APPLY_THEIRS is asked for, too. */
	bool guarded;
	bool markers; /* where changes overlap leave both, marked, in the file */
	bool modes;   /* what is new has the peer's mode, whatever the umask */
	/* Called for every path that changes (or would), and for every conflict. ${why} is NULL but
	 * for a conflict, how one was settled, and for a change that deserves attention. */
	void (*report)(void *arg, enum apply_action action, const char *path, const char *why);
	void *report_arg;
};

struct apply_totals {
	uint64_t added, changed, deleted;
	uint64_t conflicts;
	uint64_t guarded;    /* of those */
	uint64_t withheld;   /* changed there, and never taken */
	uint64_t executable; /* files that were not, or not there */
	uint64_t settled;
	uint64_t marked; /* files that have conflict markers now */
};

/* Run the job, or finish one that was cut off.  0 when everything is applied; -1 with ERR_CONFLICT
 * when there are conflicts (all reported, nothing changed), or another error with the directory as
 * it was, or with a plan that the next call finishes. */
int apply(const struct apply_job *job, struct apply_totals *totals, struct err *e);

/* Of the apply whose state directory is ${donefd} the paths of ${only} were undone: forget these,
 * and what was kept for them.  The others can still be undone. */
int apply_forget(int donefd, const struct selection *only, struct err *e);

#endif
