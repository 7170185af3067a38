/*
 * tar_check - what libarchive does not say of a tar, seen in the bytes as they pass.
 *
 * It ends a name at its first NUL, so that what one reader calls "a\0b" is "a" to another; it reads
 * a sparse file's map into memory, however long it is; it forgives pax records that make no sense;
 * and it looks at nothing after the first block of zeros, nor misses that block.  All of that is
 * refused here.  Headers are followed as libarchive follows them; where it would stop (a damaged
 * header, a hard link), so does the watch, and says nothing more.
 */
#ifndef ARCHIVE_TAR_CHECK_H
#define ARCHIVE_TAR_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TAR_CHECK_EXTENTS 100000 /* pieces of one sparse file, at most */

struct tar_check { /* private; zero at the start */
	int state;
	unsigned char block[512];
	size_t have;         /* bytes of the block */
	uint64_t left;       /* bytes until the next header */
	char type;           /* of the special header whose body is being read */
	char *body;          /* of that */
	size_t body_cap;     /* for it, with its padding */
	size_t length;       /* of it, without */
	bool sized;          /* a pax record gives the size of the next entry: */
	uint64_t size;       /* this */
	bool mapped;         /* the next entry begins with the map of a sparse file */
	int slash;           /* the next entry's name ends with one: 1, 0, -1 if not known yet */
	unsigned extensions; /* blocks of a sparse map in the old GNU way */
};

/* The next ${n} bytes of the tar: 0, or -1 with ERR_WORKSPACE_INVALID, the entry named. */
int tar_check_feed(struct tar_check *w, const unsigned char *p, size_t n, struct err *e);

/* ${n} bytes will not be shown, as nobody reads them; 0 if they may be skipped: they lie in the
 * content of a file. */
int tar_check_skip(struct tar_check *w, uint64_t n);

/* There are no more: 0 if the tar has come to its end, else -1. */
int tar_check_end(const struct tar_check *w, struct err *e);

void tar_check_free(struct tar_check *w);

#endif
