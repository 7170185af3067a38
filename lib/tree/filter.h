/*
 * filter - which paths of a directory are part of the workspace.
 *
 * Three sources, each in gitignore syntax (gitignore(5): comments, !negation, trailing / for
 * directories, leading or inner / anchors, *, ?, [], **, \ quotes): patterns given by the person or
 * the resource ("exclude"), .awcpignore files in any directory of the tree (the deeper wins, the
 * given patterns win over all), and "include" patterns: if there are any, only files that match
 * one, or lie below a directory that does, are part.  A directory that is excluded is not entered,
 * so nothing below it can be included again.  ".awcp" at the top of a resource is never part.
 */
#ifndef TREE_FILTER_H
#define TREE_FILTER_H

#include "base/err.h"

struct filter;

/* A filter without patterns; NULL when out of memory. */
struct filter *filter_new(struct err *e);

/* Add one pattern that excludes (gitignore line). ERR_USAGE if it is empty or over 4095 bytes. */
int filter_exclude(struct filter *f, const char *pattern, struct err *e);

/* Add one pattern that includes. */
int filter_include(struct filter *f, const char *pattern, struct err *e);

/* Entering the directory ${path} ("" for the top; relative to the resource): read the .awcpignore
 * in ${dirfd}, if there is one.  Every enter is matched by a leave. */
int filter_enter(struct filter *f, int dirfd, const char *path, struct err *e);
void filter_leave(struct filter *f);

/* True if ${path} (relative to the resource, no leading or trailing slash), whose parent directory
 * was entered last, is left out. */
bool filter_excludes(const struct filter *f, const char *path, bool is_dir);

/* As filter_excludes, for a path whose parents were not entered: reads the .awcpignore files on the
 * way below ${rootfd}, and looks at every parent.  Used for paths that come from an archive. */
int filter_check(struct filter *f, int rootfd, const char *path, bool is_dir, bool *excluded,
		 struct err *e);

void filter_free(struct filter *f);

#endif
