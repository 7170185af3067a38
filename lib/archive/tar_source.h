/*
 * tar_source - the bytes of a tar, whatever it is compressed with, watched as they pass.
 *
 * The whole of the file is read, to the end of the compression and of the tar: what was cut off, or
 * has trailing data, is found out (tar_check.h).  One compression is taken off, no more, and
 * only one that needs little memory for that.
 */
#ifndef ARCHIVE_TAR_SOURCE_H
#define ARCHIVE_TAR_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define TAR_SOURCE_WINDOW (8 * 1024 * 1024) /* bytes a compression may look back */

struct tar_source;

/* Read ${fd}, ${size} bytes long, from its beginning (pread; it stays the caller's). */
struct tar_source *tar_source_open(int fd, uint64_t size, struct err *e);

/* The next bytes, valid until the next call: how many, 0 at the end, -1. */
ssize_t tar_source_next(struct tar_source *s, const void **data, struct err *e);

/* Pass over up to ${n} bytes without reading them; how many. */
uint64_t tar_source_skip(struct tar_source *s, uint64_t n);

/* The tar has been read: is there no trailing data? */
int tar_source_finish(struct tar_source *s, struct err *e);

bool tar_source_compressed(const struct tar_source *s);

void tar_source_close(struct tar_source *s);

#endif
