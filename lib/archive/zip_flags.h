/*
 * zip_flags - says in a ZIP that a name is UTF-8 where libarchive does not.
 *
 * ZIP has a flag (bit 11) for that, and libarchive sets it for names with more than ASCII in them.
 * A reader takes the others for code page 437, in which control characters are pictures: with the
 * flag they stay what they are.  So the headers are looked at on their way out, those before the
 * files and those in the directory at the end.
 */
#ifndef ARCHIVE_ZIP_FLAGS_H
#define ARCHIVE_ZIP_FLAGS_H

#include "tree/tree.h"

#define ZIP_LOCAL 30   /* bytes of a header before a file, without the name */
#define ZIP_CENTRAL 46 /* of one in the directory */

struct zip_flags {
	bool local;     /* the next bytes are a header whose name needs the flag */
	bool directory; /* the directory is being written */
	/* Private: an entry of the directory up to its name, and what follows of it. */
	char entry[ZIP_CENTRAL + TREE_PATH + 8];
	size_t used, wanted, rest;
};

/* Does a ZIP have to say of ${name} that it is UTF-8? */
bool zip_flags_needed(const char *name, size_t n);

/* Pass ${n} bytes of the archive on to ${put}, with the flags; its status. */
int zip_flags_write(struct zip_flags *z, const char *p, size_t n,
		    int (*put)(void *arg, const void *p, size_t n), void *arg);

#endif
