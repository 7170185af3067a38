/*
 * tree - files and directories: here, as they were sent, as they came back, as they are kept.
 *
 * A tree that is no directory here is a manifest and the place where its content lies.  Today that
 * is an archive.  Other places will be reached by the same type: a directory that is sent as it is
 * (raw transport), a git repository's objects, blobs in a store; and a base that both sides have.
 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include <sys/types.h>
#include <time.h>

#include "tree/filter.h"

#define TREE_PATH 4095 /* longest path, bytes */

/* A directory that is lent, under a name of its own (AWCP v1 "resource"). */
struct resource {
	char *name;            /* top-level folder in the archive; "" for none */
	char *source;          /* absolute path of the directory */
	bool writable;         /* "rw": changes are taken back */
	bool named;            /* by a caller: no link may have come into the path since */
	struct filter *filter; /* or NULL */
};

/* Open the directory of ${r}: a descriptor, or -1 with errno.  This is the only way to it.  Where a
 * caller named it, its path was looked at without links when that was allowed, and is opened so:
 * what has become a link on the way is ERR_WORKDIR_DENIED. */
int resource_open(const struct resource *r, struct err *e);

/* One path, as manifests and walks know it. */
struct entry {
	char *path;      /* with the resource's name in front: "src/main.c" */
	char type;       /* 'f' file, 'd' directory, 'l' symbolic link */
	bool unsent;     /* a link that is known but was not sent: the peer could not take it */
	bool in_base;    /* a file that came back: its content is that of its path in the base */
	mode_t mode;     /* permission bits */
	uint64_t size;   /* bytes; of a link the length of its target */
	int64_t mtime;   /* ns since 1970 */
	int64_t ctime;   /* ns; 0 if not known */
	uint64_t inode;  /* 0 if not known */
	char sha256[65]; /* of a file's content (of a link sent as a file: of what it points to), or
			    "" */
	char *target;    /* of a link, or NULL */
};

/* The type of a file of ${mode}, as an entry has it, or '?'; and the reverse, as S_IFREG. */
char tree_type(mode_t mode);
mode_t tree_format(char type);

/* ${t} as an entry has it: ns, cut where those end. */
int64_t tree_time(struct timespec t);

/* The reverse. */
struct timespec tree_timespec(int64_t ns);

/* How the names begin that an apply gives to what it is about to put in its place, or has just
 * taken away (see apply/scene.h): this, 16 hex digits, '-', a number, and ".old" or nothing. */
#define TREE_TEMPORARY ".awcp-apply-"

/* Is ${name} such a name?  What bears it is no part of the tree. */
bool tree_is_temporary(const char *name);

/* Compare two paths in the order of a walk: <0, 0, >0. */
int tree_order(const char *a, const char *b);

/* Is ${path} ${above} ("": the top), or in it?  What follows in it, or NULL. */
const char *tree_below(const char *path, const char *above);

/* True if ${target} of a link at ${path} (both relative to the top that must not be left) stays
 * inside.  ".." may only stand at the beginning: after a name, which may be another link, nobody
 * can tell where it leads. */
bool tree_link_inside(const char *path, const char *target);

/* What was sent (base.archive, base.manifest of a delegation), what came back (a snapshot), what
 * was received (an assignment).  A descriptor is -1 if that part is not there or is not needed. */
struct tree {
	int manifestfd;          /* see manifest.h */
	int archivefd;           /* has the content of its files */
	const struct tree *base; /* has that of the files marked in_base, unless NULL */
};

/* Open both files in ${dirfd} for reading.  Give ${t} back with tree_close also on failure. */
int tree_open(struct tree *t, int dirfd, const char *manifest, const char *archive, struct err *e);

/* Create both files anew in ${dirfd}, for reading and writing; as tree_open. */
int tree_create(struct tree *t, int dirfd, const char *manifest, const char *archive,
		struct err *e);

void tree_close(struct tree *t);

#endif
