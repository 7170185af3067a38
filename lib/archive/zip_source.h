/*
 * zip_source - a ZIP as a stream that libarchive reads in little memory, with names as they are.
 *
 * libarchive's reader that seeks keeps the whole directory in memory, 160 bytes an entry, and
 * composes names that are said to be UTF-8: "e\xcc\x81" comes out as "\xc3\xa9".  The one that does
 * not seek cannot know what stands in the directory alone: what is a link, where content ends.  So
 * it is given headers made here, of what the directory says, each followed by the content as it
 * lies in the file.  Names, types and modes are passed on apart from that, byte for byte.
 *
 * The headers in front of the content are not believed: they only tell where it begins.  Entries
 * may share content; the limits of who unpacks count it each time.
 */
#ifndef ARCHIVE_ZIP_SOURCE_H
#define ARCHIVE_ZIP_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What the directory says of an entry. */
struct zip_record {
	const unsigned char *name; /* as it is there, without a NUL at its end */
	size_t name_length;
	char type;   /* 'f', 'd' or 'l', as entry.type */
	mode_t mode; /* permission bits; usual ones, if the writer keeps none */
	unsigned system, flags, method;
	uint32_t time; /* DOS's time and date */
	uint64_t crc, packed, unpacked;
	uint64_t offset; /* of the header in front of the content */
	const unsigned char *extra;
	size_t extra_length;
};

struct zip_source;

/* Read the ZIP in ${fd} (pread; it stays the caller's), ${size} bytes long.
 * ERR_WORKSPACE_INVALID if it has no directory at its end. */
struct zip_source *zip_source_open(int fd, uint64_t size, struct err *e);

/* The next bytes, valid until the next call: how many, 0 at the end, -1. */
ssize_t zip_source_next(struct zip_source *s, const void **data, struct err *e);

/* Pass over up to ${n} bytes of content without reading them; how many. */
uint64_t zip_source_skip(struct zip_source *s, uint64_t n);

/* The entry whose header was returned last. */
const struct zip_record *zip_source_entry(const struct zip_source *s);

void zip_source_close(struct zip_source *s);

#endif
