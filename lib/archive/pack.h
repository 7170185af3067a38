/*
 * pack - makes an archive of directories, in one pass, in memory that does not grow with them.
 */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/writer.h"
#include "base/err.h"
#include "tree/admit.h"
#include "tree/walk.h"

/* The last entry of a delta: the list of everything that is there, as a manifest. */
#define PACK_LIST ".awcp/manifest"

struct pack_options {
	enum pack_format format;
	/* The reader restores modes, links and any name.  Otherwise a link to a file inside the
	 * same resource is sent as that file, a link to a directory is left out (its manifest entry
	 * says unsent), and one that leads out of the resource or to nothing is
	 * ERR_WORKSPACE_INVALID; so is a name that is not kept (tree/carry.h). */
	bool fidelity;
	/* For what a task left behind, where nobody is there to mend it: what cannot be sent or
	 * read is withheld instead of an error.  What was received at its path, in ${to}->base,
	 * stands for it, so that nobody takes it for deleted.  Without fidelity a link to a
	 * directory is sent as all that is in there, and nothing is left out: the reader deletes
	 * what is not there. */
	bool lenient;
	/* What is sent must stay within these, also the files that links lead to, which a walk that
	 * looked at the limits took for links. NULL: anything. */
	const struct tree_limits *limits;
	bool compress; /* in a ZIP: deflate what is worth it (by a sample of it), else store */
	struct interrupt interrupt;
	void (*progress)(void *arg, uint64_t bytes, uint64_t files); /* or NULL */
	void *progress_arg;
	/* Called for every file and link that came, changed or went since the base; or NULL. */
	void (*changed)(void *arg, const char *path);
	/* Called for every path that is withheld, with a sentence that names it; or NULL. */
	void (*withheld)(void *arg, const char *why);
	void *changed_arg; /* of both */
};

struct pack_totals {
	uint64_t files;         /* files there are */
	uint64_t bytes;         /* in them */
	uint64_t changed;       /* files and links that came, changed or went, if that was asked */
	uint64_t withheld;      /* paths that were, with "lenient" */
	uint64_t archive_bytes; /* size of the archive */
};

/* Write an archive of ${n} resources to ${to}->archivefd, entries in the order of the walk, each
 * below its resource's name; the manifest of what was sent, with the hash of every file, goes to
 * ${to}->manifestfd (or -1).  A file that changes while it is read is ERR_BUSY with its name.  A
 * tar keeps the holes of a file.  A tar.zst that came out so small that unpack's default limits
 * would refuse it is not compressed after all, if its descriptor is a file.
 *
 * If ${to}->base is the manifest that unpack wrote when the resources were received, changes are
 * counted against it.  If there is a manifestfd then, too, the archive is a delta: it holds only
 * the files whose content is not that of the base, and as its last entry PACK_LIST, the manifest of
 * all files, links and directories; files that are not in the archive are marked in it. */
int pack(const struct resource *r, size_t n, const struct pack_options *o, const struct tree *to,
	 struct pack_totals *totals, struct err *e);

#endif
