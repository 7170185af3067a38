/*
 * decoder_memory - how much memory a compressed file needs of whoever unpacks it.
 *
 * A decompressor keeps as many of the last bytes as the file says that it looks back at: of a few
 * bytes of zstd up to 128 MiB with libarchive, of xz 1 GiB.  The headers that say so are found
 * without decompressing anything.  Both checks walk the whole file, so they also find that it was
 * cut off or that something follows it.
 */
#ifndef ARCHIVE_DECODER_MEMORY_H
#define ARCHIVE_DECODER_MEMORY_H

#include <stdint.h>

#include "base/err.h"

/* Check that no frame of the zstd file ${fd}, ${size} bytes long, looks back more than ${max}
 * bytes (RFC 8878).  ERR_WORKSPACE_INVALID. */
int decoder_memory_zstd(int fd, uint64_t size, uint64_t max, struct err *e);

/* The same for the blocks of an xz file (The .xz File Format 1.2.1). */
int decoder_memory_xz(int fd, uint64_t size, uint64_t max, struct err *e);

#endif
