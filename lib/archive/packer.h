/*
 * packer - an archive that is being packed, as pack.c and pack_file.c share it.
 */
#ifndef ARCHIVE_PACKER_H
#define ARCHIVE_PACKER_H

#include "archive/hasher.h"
#include "archive/pack.h"
#include "base/sha256.h"
#include "tree/baseline.h"
#include "tree/manifest.h"

#define PACKER_PIECE (128 * 1024) /* bytes of a file read at once */
#define PACKER_EXTENTS 1024       /* parts of a file with holes that are told apart */

struct packer {
	const struct resource *resources;
	size_t count;
	const struct pack_options *o;
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
	struct extent extents[PACKER_EXTENTS];
};

/* Count ${n} bytes of content that were sent or left out, and report progress. */
void packer_count(struct packer *p, uint64_t n);

/* Send the file ${fd} as ${entry}; its hash goes to ${sha256} if somebody wants it. */
int packer_send(struct packer *p, const struct entry *entry, int fd, char *sha256, struct err *e);

#endif
