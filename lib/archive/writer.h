/*
 * archiver - writes an archive, entry by entry, in memory that does not grow with it.
 */
#ifndef ARCHIVE_WRITER_H
#define ARCHIVE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tree/tree.h"

enum pack_format { PACK_ZIP, PACK_TAR, PACK_TAR_ZST };

/* A part of a file that is no hole. */
struct extent {
	uint64_t at, length;
};

struct archiver;

/* Write to ${fd}, which stays the caller's. */
struct archiver *archiver_new(int fd, enum pack_format format, struct err *e);

/* In a ZIP, compress the content of what follows, or store it. */
void archiver_compress(struct archiver *a, bool compress);

/* Begin ${entry}; of a file its size in bytes follows.  ${n} ${extents} (0: not known) say where it
 * has no holes; holes are written like the rest, but a tar leaves them out. */
int archiver_begin(struct archiver *a, const struct entry *entry, const struct extent *extents,
		   size_t n, struct err *e);

/* The next ${n} bytes of the file; ${path} is for the error. */
int archiver_data(struct archiver *a, const char *path, const void *p, size_t n, struct err *e);

/* The next ${n} bytes are zeros. */
int archiver_zeros(struct archiver *a, const char *path, uint64_t n, struct err *e);

/* Write the end.  *${bytes} is the size of the archive. */
int archiver_finish(struct archiver *a, uint64_t *bytes, struct err *e);

/* Also gives up an archive that is not finished. */
void archiver_free(struct archiver *a);

#endif
