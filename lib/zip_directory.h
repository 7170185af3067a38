/*
 * zip_directory - what a ZIP has in it, before libarchive reads all of its directory into memory.
 *
 * A ZIP tells of each entry twice: in its central directory and in front of the content.  Readers
 * believe one or the other, so that an archive whose two stories differ is one thing to who looks
 * at it and another to who unpacks it; and entries that share their content unpack to far more
 * than the archive could hold.  Both are refused: nobody who means well writes such.
 */
#ifndef ZIP_DIRECTORY_H
#define ZIP_DIRECTORY_H

#include <stdint.h>

#include "err.h"

/* Walk the central directory of the ZIP in ${fd}, ${size} bytes long, and check that it has at most
 * ${most} entries: those that are there, not those that are announced; and that each has a header
 * that says the same, behind the content of the one before.  ERR_WORKSPACE_TOO_LARGE, or
 * ERR_WORKSPACE_INVALID. */
int zip_directory_check(int fd, uint64_t size, uint64_t most, struct err *e);

#endif
