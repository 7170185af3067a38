/*
 * packer - an archive that is being packed, as pack.c and pack_file.c share it.
 */
#ifndef ARCHIVE_PACKER_H
#define ARCHIVE_PACKER_H

#include "archive/hasher.h"
#include "archive/pack.h"
#include "base/pathset.h"
#include "base/sha256.h"
#include "tree/baseline.h"
#include "tree/manifest.h"

#define PACKER_PIECE (128 * 1024) /* bytes of a file read at once */
#define PACKER_EXTENTS 1024       /* parts of a file with holes that are told apart */

/* A walk that waits, because a link of its own is followed into a directory. */
struct waiting_walk {
	struct walk *walk;
	const struct waiting_walk *above;
};

struct packer {
	const struct resource *resources;
	size_t count;
	const struct pack_options *o;
	int (*put)(struct packer *p, struct entry *entry, struct err *e); /* of the walk at hand */
	const struct tree *to;
	struct pack_totals *totals;
	struct walk *walk;
	struct writer *archive;
	struct hasher *hasher;            /* of the manifest and the hashes in it; or else */
	struct manifest_writer *manifest; /* of a delta, which must know each hash at once; */
	struct sha256 *file;              /* for it */
	bool hashed;                      /* the hasher has the content of the current entry */
	struct baseline *baseline;        /* or NULL */
	bool delta;
	uint64_t content; /* bytes of files, without holes */
	char *piece;
	char *withheld;      /* path of what was withheld last; "" */
	struct pathset kept; /* files of the base's archive that stand for what was withheld */
	struct pathset
	    *broken;       /* files that the disk did not let us read, the last time; or NULL */
	bool unread;       /* it does not let us read this one */
	char *unread_path; /* which it is, TREE_PATH + 1 bytes */
	const struct waiting_walk *waiting; /* those above the walk at hand; or NULL */
	uint64_t followed;                  /* entries in directories that links led to */
	struct extent extents[PACKER_EXTENTS];
};

/* Count ${n} bytes of content that were sent or left out, and report progress. */
void packer_count(struct packer *p, uint64_t n);

/* Put what is no content of a file. */
int packer_header(struct packer *p, const struct entry *entry, struct err *e);

/* Send the file ${fd} as ${entry}; its hash goes to ${sha256} if somebody wants it. */
int packer_send(struct packer *p, const struct entry *entry, int fd, char *sha256, struct err *e);

/* pack_link.c */

/* Put what the link ${entry} points to in its place. */
int packer_follow(struct packer *p, struct entry *entry, struct err *e);

/* withhold.c */

/* What cannot be sent back is not a deletion: it comes back as it was received, and is named. */

/* Can that be done about ${why}? */
bool packer_can_withhold(const struct packer *p, const struct err *why);

/* Withhold ${path}, which was ${then} (or NULL, if it was not there), because of ${e}. */
int packer_withhold(struct packer *p, const char *path, const struct entry *then, struct err *e);

/* Withhold ${path}, which was not matched with what it was, because of ${e}. */
int packer_withhold_unread(struct packer *p, const char *path, struct err *e);

/* Have ${w} and the baseline withhold what cannot be read, too. */
void packer_tolerate(struct packer *p, struct walk *w);

/* Put the content of what was kept. */
int packer_put_kept(struct packer *p, struct err *e);

#endif
