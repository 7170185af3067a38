/*
 * walk - walks directories, in one fixed order, without following links.
 *
 * The order is that of the paths compared byte by byte with '/' before every other byte, which is
 * the order of a depth-first walk with sorted names.  Manifests are in the same order, so that
 * directories and manifests are compared by merging, in memory that does not grow with the tree.
 */
#ifndef TREE_WALK_H
#define TREE_WALK_H

#include <sys/stat.h>

#include "tree/tree.h"

/* Long work goes on only as long as it is wanted: ${wanted} (NULL: it is) is asked for every entry
 * and every piece of a file, so it should not do much. */
struct interrupt {
	bool (*wanted)(void *arg);
	void *arg;
};

/* 0, or -1 with ERR_CANCELLED if it is not wanted any more. */
int interrupt_check(const struct interrupt *i, struct err *e);

struct walk;

/* Begin to walk ${n} resources (sorted by name by this call's own copy of the order).  A resource
 * whose directory is missing or cannot be read is an error, never an empty tree. */
struct walk *walk_open(const struct resource *r, size_t n, struct err *e);

/* walk_next and walk_hash fail when ${i} says so, which is copied. */
void walk_heed(struct walk *w, const struct interrupt *i);

/* Go on where something cannot be read or named: ${refused} is told ${path} (whose directory was
 * returned, if it is one) and why, and returns 0, or -1 to stop after all, having filled ${e}. */
typedef int walk_refused(void *arg, const char *path, struct err *e);
void walk_tolerate(struct walk *w, walk_refused *refused, void *arg);

/* Also walk ".awcp" at the top of a resource, which is not of the workspace where we lend it. */
void walk_whole(struct walk *w);

/* What it heeds. */
const struct interrupt *walk_interrupt(const struct walk *w);

/* The next path in order: 1 and *${entry} (valid until the next call; sha256 is "", a device, FIFO
 * or socket has type '?'), 0 at the end, -1 on error (something that cannot be read is an error).
 * The resource's own directory comes first, as an entry of type 'd' unless its name is "". */
int walk_next(struct walk *w, struct entry **entry, struct err *e);

/* Open the file last returned for reading, no link followed; -1 on failure. */
int walk_open_file(struct walk *w, struct err *e);

/* The open directory that holds the entry last returned (no resource's own directory), which stays
 * the tree's and is good until the next call; *${name} is what it is called there. */
int walk_at(const struct walk *w, const char **name);

/* Open what the link last returned leads to, a file or a directory in ${within}, for a reader who
 * cannot have links.  *${fd} is -1 if the filter leaves it out.  What leads out of ${within}, or to
 * nothing, is ERR_WORKSPACE_INVALID. */
int walk_follow(struct walk *w, const struct resource *within, const struct entry *entry, int *fd,
		struct err *e);

/* Is the directory ${st} one of those above the entry last returned? */
bool walk_is_in(const struct walk *w, const struct stat *st);

/* The resource that the entry last returned belongs to. */
const struct resource *walk_resource(const struct walk *w);

/* Hex SHA-256 of the file last returned into ${entry}->sha256. */
int walk_hash(struct walk *w, struct entry *entry, struct err *e);

void walk_close(struct walk *w);

#endif
