/*
 * writer - writes an archive, entry by entry, in memory that does not grow with it.
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

struct writer;

/* Write to ${fd}, which stays the caller's. */
struct writer *writer_new(int fd, enum pack_format format, struct err *e);

/* In a ZIP, compress the content of what follows, or store it. */
void writer_compress(struct writer *a, bool compress);

/* Begin ${entry}; of a file its size in bytes follows.  ${n} ${extents} (0: not known) say where it
 * has no holes; holes are written like the rest, but a tar leaves them out. */
int writer_begin(struct writer *a, const struct entry *entry, const struct extent *extents,
		 size_t n, struct err *e);

/* The next ${n} bytes of the file; ${path} is for the error. */
int writer_data(struct writer *a, const char *path, const void *p, size_t n, struct err *e);

/* The next ${n} bytes are zeros. */
int writer_zeros(struct writer *a, const char *path, uint64_t n, struct err *e);

/* Write the end.  *${bytes} is the size of the archive. */
int writer_finish(struct writer *a, uint64_t *bytes, struct err *e);

/* Also gives up an archive that is not finished. */
void writer_free(struct writer *a);

#endif
