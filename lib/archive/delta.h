/*
 * delta - what came back, described by what was sent.
 *
 * The manifest of a snapshot lists everything that came back.  A file whose content is that of the
 * same path in the base is marked in it (in_base) and lies in the base's archive; only the others
 * are kept in an archive of the snapshot's own.  A peer may send just that (see pack), or the
 * whole; either way nothing that it says is taken on trust.
 */
#ifndef ARCHIVE_DELTA_H
#define ARCHIVE_DELTA_H

#include "base/err.h"
#include "base/pathset.h"
#include "tree/tree.h"
#include "archive/unpack.h"

struct delta {
	const struct unpack_limits *limits; /* for what the list may name */
	const struct tree *arrived;         /* the archive, with the manifest of what is in it */
	const struct tree *to; /* gets the manifest of the snapshot; its base is what was sent */
	/* Called for each link that is not the base's, in order. */
	int (*link)(void *arg, const struct entry *entry, struct err *e);
	void *arg;
	uint64_t files, bytes; /* what there is; filled in */
};

/* Write the manifest for an archive that holds everything; ${fresh} gets the paths of the files
 * whose content is not the base's. */
int delta_mark(struct delta *d, struct pathset *fresh, struct err *e);

/* Write the manifest for a delta whose list is in ${listfd}.  A file that is marked in the list
 * must be in the base, every other file must be in the archive with the hash, size and mode of the
 * list, and nothing else may be there; paths and links are checked as those of an archive's
 * entries. Otherwise ERR_WORKSPACE_INVALID, ERR_WORKSPACE_TOO_LARGE or ERR_BAD_DATA. */
int delta_check(struct delta *d, int listfd, struct err *e);

#endif
