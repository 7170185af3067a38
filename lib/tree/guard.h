/*
 * guard - the names that something here obeys without being asked: by a git command, on cd, when a
 * directory is opened in an editor or by an agent.
 *
 * What a worker made of such a path is not taken from a snapshot as other paths are.  Which names
 * those are says one table, and AWCP_GUARDED, which adds names and takes others out ("-.idea", or
 * "-*" for all).  A name counts at any depth, and in every spelling that some file system takes for
 * the same: other case, characters that are ignored, trailing dots and blanks, short names.
 */
#ifndef TREE_GUARD_H
#define TREE_GUARD_H

#include "base/buf.h"
#include "tree/tree.h"

enum guarded {
	GUARD_NONE,
	GUARD_ASK,   /* taken only if the person asks for it */
	GUARD_NEVER, /* git's own files, and ours: never taken, whatever AWCP_GUARDED says */
};

struct guard;

/* The table with what AWCP_GUARDED makes of it; ERR_CONFIG if that has a slash in it. */
struct guard *guard_new(struct err *e);
void guard_free(struct guard *g);

/* How is ${path} guarded, by the names in it? */
enum guarded guard_path(const struct guard *g, const char *path);

/* Is all that lies in the directory ${source} guarded, because of what it is? */
bool guard_source(const struct guard *g, const char *source);

/* What the configuration of the repository that ${source} lies in names within it, hooks in another
 * place, say: into ${names}, which is to be freed.  And: is ${path} (below ${source}) of that, or
 * in it? */
int guard_git_names(const char *source, struct buf *names, struct err *e);
bool guard_git_has(const struct buf *names, const char *path);

/* Does ${path} lie in a directory that git takes for a repository, because it has a file HEAD?
 * To be asked for all paths, in the order of a walk; ${is_dir} if it is a directory on all sides.
 */
bool guard_in_repository(struct guard *g, const char *path, bool is_dir);

/* Would a new ${path} be a repository's HEAD somewhere, or be shown as another than it is?  Of the
 * characters that are not shown only those count that change the order of the others. */
bool guard_deceives(const char *path);

#endif
