/*
 * zip_source - a ZIP as a stream that libarchive reads in little memory, and believes.
 *
 * libarchive's reader that seeks keeps the whole directory in memory; the one that does not cannot
 * know what stands in the directory alone: what is a link, where content ends.  So it is given
 * headers made here, of what the directory says, with all sizes, and behind each the content as it
 * lies in the file.  Names, types and modes are told apart from that, byte for byte.
 */
#ifndef ARCHIVE_ZIP_SOURCE_H
#define ARCHIVE_ZIP_SOURCE_H

#include <sys/types.h>

#include "base/err.h"
#include "archive/zip_directory.h"

struct zip_source;

/* Read the ZIP in ${fd} (pread; it stays the caller's), ${size} bytes long.  All of its directory
 * is checked before, see zip_directory.h; it may have at most ${most} entries. */
struct zip_source *zip_source_open(int fd, uint64_t size, uint64_t most, struct err *e);

/* The next bytes, valid until the next call: how many, 0 at the end, -1. */
ssize_t zip_source_next(struct zip_source *s, const void **data, struct err *e);

/* Pass over up to ${n} bytes of content without reading them; how many. */
uint64_t zip_source_skip(struct zip_source *s, uint64_t n);

/* The entry whose header was handed out last. */
const struct zip_record *zip_source_entry(const struct zip_source *s);

void zip_source_close(struct zip_source *s);

#endif
