/*
 * tree - walks directories, in one fixed order, without following links.
 *
 * The order is that of the paths compared byte by byte with '/' before every other byte, which is
 * the order of a depth-first walk with sorted names.  Manifests are in the same order, so that
 * trees and manifests are compared by merging, in memory that does not grow with the tree.
 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "tree/filter.h"

#define TREE_PATH 4095 /* longest path, bytes */

/* A directory that is lent, under a name of its own (AWCP v1 "resource"). */
struct resource {
	char *name;            /* top-level folder in the archive; "" for none */
	char *source;          /* absolute path of the directory */
	bool writable;         /* "rw": changes are taken back */
	struct filter *filter; /* or NULL */
};

/* True if ${name} can name a resource: 1 to 255 bytes of UTF-8, no slash, no control character,
 * not ".", ".." or ".awcp". */
bool resource_name_valid(const char *name);

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

/* ${t} as an entry has it: ns, cut where those end. */
int64_t tree_time(struct timespec t);

/* The reverse. */
struct timespec tree_timespec(int64_t ns);

/* Compare two paths in the order of a walk: <0, 0, >0. */
int tree_order(const char *a, const char *b);

/* Long work goes on only as long as it is wanted: ${wanted} (NULL: it is) is asked for every entry
 * and every piece of a file, so it should not do much. */
struct interrupt {
	bool (*wanted)(void *arg);
	void *arg;
};

/* 0, or -1 with ERR_CANCELLED if it is not wanted any more. */
int interrupt_check(const struct interrupt *i, struct err *e);

struct tree;

/* Begin to walk ${n} resources (sorted by name by this call's own copy of the order).  A resource
 * whose directory is missing or cannot be read is an error, never an empty tree. */
struct tree *tree_open(const struct resource *r, size_t n, struct err *e);

/* tree_next and tree_hash fail when ${i} says so, which is copied. */
void tree_heed(struct tree *t, const struct interrupt *i);

/* What it heeds. */
const struct interrupt *tree_interrupt(const struct tree *t);

/* The next path in order: 1 and *${entry} (valid until the next call; sha256 is "", a device, FIFO
 * or socket has type '?'), 0 at the end, -1 on error (something that cannot be read is an error).
 * The resource's own directory comes first, as an entry of type 'd' unless its name is "". */
int tree_next(struct tree *t, struct entry **entry, struct err *e);

/* Open the file last returned for reading, no link followed; -1 on failure. */
int tree_open_file(struct tree *t, struct err *e);

/* The open directory that holds the entry last returned (no resource's own directory), which stays
 * the tree's and is good until the next call; *${name} is what it is called there. */
int tree_at(const struct tree *t, const char **name);

/* Open the file that the link last returned leads to, for a reader who cannot have links.  *${fd}
 * is -1 when there is nothing to send: the link leads to a directory, or to something that the
 * filter leaves out.  One that leads out of its resource or to nothing is ERR_WORKSPACE_INVALID. */
int tree_follow(struct tree *t, const struct entry *entry, int *fd, struct err *e);

/* True if ${target} of a link at ${path} (both relative to the top that must not be left) stays
 * inside.  ".." may only stand at the beginning: behind a name, which may be another link, nobody
 * can tell where it leads. */
bool tree_link_inside(const char *path, const char *target);

/* The resource that the entry last returned belongs to. */
const struct resource *tree_resource(const struct tree *t);

/* Hex SHA-256 of the file last returned into ${entry}->sha256. */
int tree_hash(struct tree *t, struct entry *entry, struct err *e);

void tree_close(struct tree *t);

/* Bounds on what may be sent, and what would be. */
struct tree_limits {
	uint64_t bytes; /* in all */
	uint64_t files;
	uint64_t file_bytes; /* in one file */
	bool sensitive_ok;   /* names such as .env or id_rsa may be sent */
};
struct tree_totals {
	uint64_t bytes;
	uint64_t files;
	uint64_t directories;
	uint64_t links;
};

/* The limits in force: AWCP_MAX_BYTES (100M), AWCP_MAX_FILES (10000), AWCP_MAX_FILE_BYTES (50M),
 * AWCP_SENSITIVE=allow. */
int tree_limits(struct tree_limits *l, struct err *e);

/* Count a file of ${size} bytes in ${totals}: 0, or -1 with ERR_WORKSPACE_TOO_LARGE if that is more
 * than ${l} allows. */
int tree_count(const struct tree_limits *l, const char *path, uint64_t size,
	       struct tree_totals *totals, struct err *e);

/* Check that what would be sent stays within ${l}, before anything is sent.  Fails with
 * ERR_WORKSPACE_TOO_LARGE (hint: which variable), ERR_SENSITIVE_FILES (the first name, how many
 * more) or what the walk said. ${each}, if given, is called for every entry. */
int tree_admit(const struct resource *r, size_t n, const struct tree_limits *l,
	       struct tree_totals *totals, int (*each)(void *arg, const struct entry *entry),
	       void *arg, struct err *e);

#endif
