/*
 * zip_directory - what a ZIP has in it, told entry by entry.
 *
 * A ZIP tells of each entry twice: in its central directory and in front of the content.  Readers
 * believe one or the other, so that an archive whose two stories differ is one thing to who looks
 * at it and another to who unpacks it; and entries that share their content unpack to far more
 * than the archive could hold.  Both are refused: nobody who means well writes such.
 */
#ifndef ARCHIVE_ZIP_DIRECTORY_H
#define ARCHIVE_ZIP_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What both records say. */
struct zip_record {
	const unsigned char *name; /* as it is there, without a NUL at its end */
	size_t name_length;
	char type;   /* 'f', 'd' or 'l', as entry.type */
	mode_t mode; /* permission bits, 0 if they are not told */
	unsigned system, flags, method;
	uint32_t time; /* DOS's time and date */
	uint64_t crc, packed, unpacked;
	uint64_t offset;            /* of the header in front of the content */
	uint64_t content;           /* where that begins */
	const unsigned char *extra; /* fields of that header */
	size_t extra_length;
};

struct zip_directory;

/* Begin to read the central directory of the ZIP in ${fd}, ${size} bytes long, which may have at
 * most ${most} entries: those that are there, not those that are announced. */
struct zip_directory *zip_directory_open(int fd, uint64_t size, uint64_t most, struct err *e);

/* The next entry, valid until the next call: 1, 0 at the end, -1.  It has a header that says the
 * same, behind the content of the one before.  ERR_WORKSPACE_TOO_LARGE, or ERR_WORKSPACE_INVALID.
 */
int zip_directory_next(struct zip_directory *d, struct zip_record *r, struct err *e);

void zip_directory_close(struct zip_directory *d);

#endif
