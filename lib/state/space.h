/*
 * space - room on the disk: whether there is some for what comes in, and what is set aside.
 *
 * Whoever takes something in asks first (space_for), for bytes and for inodes alike: the operator
 * wants AWCP_MIN_FREE bytes to stay free, and of all inodes the same share.
 *
 * What must be written when there is no room any more, the record of how something ended, has
 * space set aside for it:
 *
 *	reserve/<n>	files of zeros, one of which is removed when a record finds the disk full
 */
#ifndef STATE_SPACE_H
#define STATE_SPACE_H

#include "base/err.h"

/* A file system: what is free for this user, and how much of it is to stay so. */
struct space {
	uint64_t bytes, min_bytes;
	uint64_t files, min_files; /* inodes */
};

/* The file system of the open ${dirfd} into ${r}; what it does not say is UINT64_MAX.  ERR_CONFIG
 * if AWCP_MIN_FREE makes no sense; then ${r} has its default. */
int space_look(int dirfd, struct space *r, struct err *e);

/* Is there room for ${bytes} and ${files} more on the file system of the open ${dirfd}, so that
 * what is to stay free does?  ERR_NO_SPACE with a time to try again if not.  It costs a call of the
 * system, so that it can be asked for every piece of something long. */
int space_for(int dirfd, uint64_t bytes, uint64_t files, struct err *e);

/* Set aside what is missing, while that is little of what is free.  To be called now and then by
 * whoever runs for long; when all is there it costs one call of the system. */
void space_reserve(void);

/* The disk is full, and something must be written all the same: give some back of what is set
 * aside.  False if there is nothing left of it.
 *
 *	do
 *		status = save(..., e);
 *	while (status < 0 && space_release(e));
 *
 * ${e} (or NULL) says why it failed: only a full disk is a reason to give something back. */
bool space_release(const struct err *e);

#endif
