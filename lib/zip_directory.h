/*
 * zip_directory - how many entries a ZIP has, before libarchive reads them all into memory.
 */
#ifndef ZIP_DIRECTORY_H
#define ZIP_DIRECTORY_H

#include <stdint.h>

#include "err.h"

/* Walk the central directory of the ZIP in ${fd}, ${size} bytes long, and check that it has at most
 * ${most} entries: those that are there, not those that are announced.  ERR_WORKSPACE_TOO_LARGE, or
 * ERR_WORKSPACE_INVALID if there is no directory, or not where it should be. */
int zip_directory_check(int fd, uint64_t size, uint64_t most, struct err *e);

#endif
