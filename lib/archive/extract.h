/*
 * extract - creates what an archive lists, beneath one directory, through no link.
 *
 * Modes and times of directories are set at the end: until then they must take what comes.  They
 * wait in an unnamed file, so that memory does not grow with their number; a few do so in memory.
 */
#ifndef ARCHIVE_EXTRACT_H
#define ARCHIVE_EXTRACT_H

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "tree/tree.h"

struct extract { /* private */
	int dirfd;
	uid_t owner;     /* of all that is made, and the number of its group; 0: ours */
	int parent;      /* the directory that the last path was created in, or -1 */
	char *path;      /* its path with a slash, "" for ${dirfd} itself */
	struct buf held; /* modes and times of directories, */
	FILE *waiting;   /* or all of them, NULL as long as they are few */
};

/* Begin to create things beneath ${dirfd}, which stays the caller's, for ${owner} (0: us). */
int extract_open(struct extract *p, int dirfd, uid_t owner, struct err *e);

/* Create the directory of ${entry}, or find it there. */
int extract_directory(struct extract *p, const struct entry *entry, struct err *e);

/* Create the link of ${entry}. */
int extract_link(struct extract *p, const struct entry *entry, struct err *e);

/* Create the file of ${entry}; returns a descriptor to write to. */
int extract_file(struct extract *p, const struct entry *entry, struct err *e);

/* The file is written: give it its mode and time and close ${fd}.  ${entry} gets the mtime, ctime
 * and inode that it has then. */
int extract_file_end(struct entry *entry, int fd, struct err *e);

/* Everything is there: set the modes and times of directories. */
int extract_finish(struct extract *p, struct err *e);

void extract_close(struct extract *p);

#endif
