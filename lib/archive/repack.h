/*
 * repack - a file's content on its way from one archive to another.
 */
#ifndef ARCHIVE_REPACK_H
#define ARCHIVE_REPACK_H

#include <stdint.h>

#include "archive/writer.h"
#include "archive/unpack.h"

struct repack {
	struct writer *to;
	char path[TREE_PATH + 1]; /* private, as what follows: the file at hand */
	uint64_t at, size;
};

/* Begin the file ${as}, of ${size} bytes.  Returns 1, or -1: as an unpack_visitor wants it. */
int repack_begin(struct repack *r, const struct entry *as, uint64_t size, struct err *e);

/* The others of the visitor; ${arg} begins with the struct repack. A file that is longer or shorter
 * than was said is ERR_WORKSPACE_INVALID. */
int repack_piece(void *arg, const void *p, size_t n, uint64_t at, struct err *e);
int repack_end(void *arg, const struct entry *entry, struct err *e);

#endif
