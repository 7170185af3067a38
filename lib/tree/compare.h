/*
 * compare - what came back against what was sent, by path: all that a snapshot is taken from.
 *
 * Merges two manifests, which are in the order of a walk, so memory does not grow with them.  Left
 * out is what no apply may touch: resources lent "ro", entries that were not sent, and new paths
 * that the resource's filter excludes (a worker that builds makes thousands of those).
 */
#ifndef TREE_COMPARE_H
#define TREE_COMPARE_H

#include "tree/guard.h"

struct compare;

/* Compare what came back, ${theirs}, with what was sent, its base.  The tree and the resources stay
 * the caller's and must outlive the comparison.  What the worker made of a path that is guarded
 * (see guard.h) more than ${let} is withheld: for the caller the path is as it was sent. */
struct compare *compare_open(const struct tree *theirs, const struct resource *resources,
			     size_t count, enum guarded let, struct err *e);

/* The next path: 1, 0 at the end, -1.  *${base} or *${theirs} is NULL if the path is not there;
 * both are valid until the next call.  A directory that an archive only implies, by what lies in
 * it, counts as there. */
int compare_next(struct compare *c, const struct entry **base, const struct entry **theirs,
		 struct err *e);

/* How is the path that compare_next gave guarded?  GUARD_NONE if it is as it was sent. */
enum guarded compare_guarded(const struct compare *c);

/* How many files and links were withheld so far; *${first} is the path of the first. */
uint64_t compare_withheld(const struct compare *c, const char **first);

/* True if ${path}, which may be in the directory alone, is never to be touched. */
bool compare_untouchable(const struct compare *c, const char *path);

/* Did the peer send anything at all of resource ${i}?  And did we?  Known at the end. */
bool compare_returned(const struct compare *c, size_t i);

/* True in *${excluded} if the resource's filter, as it is now, leaves ${path} out. */
int compare_excluded(struct compare *c, const char *path, bool is_dir, bool *excluded,
		     struct err *e);

void compare_close(struct compare *c);

/* How ${theirs} differs from ${base}. */
enum {
	COMPARE_ADDED = 1,
	COMPARE_DELETED = 2,
	COMPARE_TYPE = 4,    /* a file became a directory, and so on */
	COMPARE_CONTENT = 8, /* or the target of a link */
	COMPARE_MODE = 16,   /* with fidelity only; may come with COMPARE_CONTENT */
	COMPARE_TIMES =
	    32, /* of a file or a link, if asked for; may come with any but the first 3 */
};

/* 0 if there is no difference.  Without ${fidelity} modes are not looked at, and a link that was
 * sent as a file is the same as the file that comes back; without ${times} no mtime is. */
unsigned compare_delta(const struct entry *base, const struct entry *theirs, bool fidelity,
		       bool times);

/* Did the peer leave the time ${base}, as far as its file system can tell?  Some keep whole
 * seconds.
 */
bool compare_same_time(int64_t base, int64_t theirs);

/* The index of the resource that ${path} lies in, or ${count}. */
size_t compare_resource(const struct resource *resources, size_t count, const char *path);

/* ${path} without its resource's name; "" for the resource itself. */
const char *compare_relative(const struct resource *resource, const char *path);

#endif
