/*
 * apply_spot - names in directories, what lies there, and moves between them.  Private to apply.
 */
#ifndef APPLY_LOCATION_H
#define APPLY_LOCATION_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/sha256.h"
#include "tree/tree.h"

/* A name in an open directory. */
struct spot {
	int dirfd;
	const char *name;
	struct stat st; /* as spot_look saw it */
	bool there;
};

/* See what is there: 0, or -1 with errno. */
int spot_look(struct spot *p);

/* 'f', 'd', 'l', or '?'. */
char spot_type_of(const struct stat *st);

/* What ${p} is, as a plan notes it: without strings; type '-' if nothing is there. */
void spot_entry(const struct spot *p, struct entry *entry);

/* Hex SHA-256 of the file there: 0, or -1. */
int spot_hash(const struct spot *p, char hex[SHA256_HEX]);

/* Is ${p} the thing that was compared?  ${exact}: and nobody touched it in any way.  A rename or a
 * link of our own changes ctime; so does an exchange of another name of the same file. */
bool spot_is_before(const struct spot *p, const struct entry *b, bool exact);

/* Is ${p} what the step puts there?  If that cannot be told it is not. */
bool spot_is_after(const struct spot *p, const struct entry *a);

/* Two names of one file? */
bool spot_same_file(const struct spot *a, const struct spot *b);

/* Exchange two names at once: 0, or -1 with errno; see spot_not_supported. */
int spot_exchange(const struct spot *a, const struct spot *b);

/* Does errno say that the file system does not know what was asked? */
bool spot_not_supported(void);

/* Rename, over what is there. */
int spot_move_over(const struct spot *from, const struct spot *to);

/* Rename to a name that must be free; errno EEXIST if it is not.  Where that is not known it is a
 * link and an unlink, so that for a moment both names are there. */
int spot_move_free(const struct spot *from, const struct spot *to);

/* Copy a file or a link with its mode and times, for where it can neither be renamed nor linked. */
int spot_copy(const struct spot *from, const struct spot *to, struct err *e);

#endif
