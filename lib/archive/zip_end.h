/*
 * zip_end - the records at the end of a ZIP, which tell where its directory is.
 */
#ifndef ARCHIVE_ZIP_END_H
#define ARCHIVE_ZIP_END_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct zip_end {
	uint64_t directory; /* where the central directory begins */
	uint64_t end;       /* and where it must end */
	uint64_t count;     /* its entries, as announced */
	uint64_t modulus;   /* a ZIP without ZIP64 counts no further: 65536, else 0 */
};

/* Read ${n} bytes at ${at}; -1 if there are fewer. */
int zip_get(int fd, uint64_t at, unsigned char *p, size_t n, struct err *e);

/* The number of ${n} bytes at ${p}. */
uint64_t zip_number(const unsigned char *p, int n);

/* ERR_WORKSPACE_INVALID: the ZIP was cut off or is damaged. */
int zip_damaged(struct err *e);

/* Find the end of the ZIP in ${fd}, ${size} bytes long.  It must be the end of the file, and what
 * its records say twice they must say alike. */
int zip_end_find(int fd, uint64_t size, struct zip_end *z, struct err *e);

#endif
