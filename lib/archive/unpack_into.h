/*
 * unpack_into - an archive becomes a directory, wholly or not at all.
 */
#ifndef ARCHIVE_UNPACK_INTO_H
#define ARCHIVE_UNPACK_INTO_H

#include "base/err.h"
#include "archive/unpack.h"

/* Unpack the archive that ${fd} gives (a pipe will do: it is spooled) to the directory ${path},
 * which must not exist or be empty.  It is unpacked beside it and renamed, so that on failure
 * ${path} is as it was.  ${modes}: with the modes that the archive has, else with no more than the
 * umask lets them have. */
int unpack_into(int fd, const char *path, bool modes, struct unpack_totals *totals, struct err *e);

#endif
