/*
 * location - names in directories, what lies there, and moves between them.  Private to apply.
 */
#ifndef APPLY_LOCATION_H
#define APPLY_LOCATION_H

#include <sys/stat.h>

#include "base/sha256.h"
#include "tree/tree.h"

/* A name in an open directory. */
struct location {
	int dirfd;
	const char *name;
	struct stat st; /* as location_look saw it */
	bool there;
};

/* See what is there: 0, or -1 with errno.  With the descriptor -1 nothing is. */
int location_look(struct location *p);

/* Is what is there called so, to the letter?  Where case does not count another name leads to it.
 */
bool location_is_listed(const struct location *p);

/* The same of all names of ${path} beneath ${dirfd}. */
bool location_path_is_listed(int dirfd, const char *path);

/* Does its name lead there in other letters, too? */
bool location_folds(const struct location *p);

/* What ${p} is, as a plan notes it: without strings; type '-' if nothing is there. */
void location_entry(const struct location *p, struct entry *entry);

/* Hex SHA-256 of the file there: 0, or -1. */
int location_hash(const struct location *p, char hex[SHA256_HEX]);

/* Is ${p} the thing that was compared?  ${exact}: and nobody touched it in any way.  A rename or a
 * link of our own changes ctime; so does an exchange of another name of the same file. */
bool location_is_before(const struct location *p, const struct entry *b, bool exact);

/* Is ${p} what the step puts there?  If that cannot be told it is not. */
bool location_is_after(const struct location *p, const struct entry *a);

/* Has the directory an owner, a group or an ACL that one that is made in its place would not have?
 */
bool location_is_special(const struct location *p);

/* Two names of one file? */
bool location_same_file(const struct location *a, const struct location *b);

/* Exchange two names at once: 0, or -1 with errno; see location_not_supported. */
int location_exchange(const struct location *a, const struct location *b);

/* Does errno say that the file system does not know what was asked?  An overlay cannot rename
 * directories of its lower layers. */
bool location_not_supported(void);

/* Setting the mode of what is ours failed: does errno say that the file system has no modes? */
bool location_modeless(void);

/* Give ${to} owner, group and extended attributes (an ACL, say) of ${from}, as far as the system
 * lets us: they are no part of what was sent.  ${same}: it has the same content, too, so that what
 * the file may do goes with it (capabilities). */
void location_copy_attributes(int from, int to, bool same);

/* Setting a time failed: does errno say that it is not ours to set, or a file system that is only
 * read? */
bool location_not_ours(void);

/* The directory of a location could not be opened: does errno say that it is gone? */
bool location_is_gone(void);

/* Rename, over what is there. */
int location_move_over(const struct location *from, const struct location *to);

/* Rename to a name that must be free; errno EEXIST if it is not.  Where that is not known it is a
 * link and an unlink, so that for a moment both names are there. */
int location_move_free(const struct location *from, const struct location *to);

/* Copy a file, a link or an empty directory with all that is attached to it, for where it can
 * neither be renamed nor linked. */
int location_copy(const struct location *from, const struct location *to, struct err *e);

#endif
