/*
 * source - the bytes of an archive from someone who may mean harm, on their way into libarchive.
 *
 * ZIP, tar, and tar compressed with zstd, gzip or xz are told apart by how they begin; one
 * compression is taken off, no more.  A decompressor keeps as many of the last bytes as the archive
 * says that it looks back at, up to 1 GiB, and libarchive reads the map of a sparse file into
 * memory, however long it is, and ends the process where there is none.  So headers have a bound,
 * and until the source is closed the process cannot get more memory than is right.
 */
#ifndef ARCHIVE_SOURCE_H
#define ARCHIVE_SOURCE_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "archive/zip_marks.h"

#ifndef SANITIZED
#define SANITIZED false /* needs far more memory, and ends the process where it gets none */
#endif

#define SOURCE_MEMORY (24 << 20)     /* bytes that reading may need */
#define SOURCE_ZIP_MEMORY (64 << 20) /* of a ZIP: some 200 for each of ZIP_ENTRIES */
#define SOURCE_HEADER (1 << 18)      /* bytes of a tar before the content of an entry */

struct source {      /* private, but for the first two */
	bool is_zip; /* else a tar */
	struct archive *archive;
	struct zip_marks marks;
	struct archive *filter; /* takes the compression off a tar; NULL: there is none */
	int fd;
	uint64_t at, size;
	bool in_header;  /* a header was asked for: */
	uint64_t header; /* bytes since then */
	char tail[512];  /* the last bytes of a tar: zeros, if it is whole */
	struct rlimit previous;
	bool limited;
	struct err why; /* it cannot be read, if that is known */
	char *in;
};

/* Open the archive in ${fd} (pread; it stays the caller's), ${size} bytes long, with libarchive:
 * ${s}->archive.  ${s} is zero before; it is to be closed
 * also if this fails. */
int source_open(struct source *s, int fd, uint64_t size, struct err *e);

/* The next header: 1, 0 at the end, -1; ${where} is what was read last, or NULL.  At the end all of
 * the file has been read: what was cut off, or has something after its compression, is refused. */
int source_next(struct source *s, struct archive_entry **h, const char *where, struct err *e);

/* Say why the archive cannot be read after ${where}, or at all.  Returns -1. */
int source_refuse(const struct source *s, const char *where, struct err *e);

void source_close(struct source *s);

#endif
