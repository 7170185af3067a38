/*
 * process/view - what a task sees of the file system, which is there as a whole but for what is
 * hidden.
 *
 * A view is a list of paths, each of which hides, or shows again, what is below it.  The nearest
 * one above a path decides, so the order in which they are named does not matter.
 */
#ifndef PROCESS_VIEW_H
#define PROCESS_VIEW_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Of several for the same path the first decides. */
enum view_kind {
	VIEW_SCRATCH, /* an empty directory that may be written to */
	VIEW_SHOWN,
	VIEW_HIDDEN /* a directory is empty, a file is as /dev/null */
};

struct view_mark {
	enum view_kind kind;
	bool directory;
	char *path;    /* there, absolute */
	char *source;  /* what is shown there */
	bool needless; /* private */
};

struct view {
	struct view_mark *mark;
	size_t count, cap;
	bool failed; /* out of memory */
};

#define VIEW_INIT             \
	{                     \
		NULL, 0, 0, 0 \
	}

/* Hide ${path}, if it exists; links are resolved. */
void view_hide(struct view *v, const char *path);

/* Make ${path} an empty place that may be written to. */
void view_scratch(struct view *v, const char *path);

/* Show ${path}, if it is a file, or if ${any} anything. */
void view_show(struct view *v, const char *path, bool any);

/* Hide the first directory on the way to ${path}, and that itself, which ${account} may not enter:
 * it sees nothing of what is in there anyway, and can pass then.  0: any may be entered. */
void view_open_way(struct view *v, const char *path, uid_t account);

/* Hide what may have sockets of services in it: all but the system's own directories, and in those
 * the sockets that there are now. */
void view_hide_sockets(struct view *v);

/* Put in order what was named, parents first, and leave out what changes nothing. */
void view_settle(struct view *v);

void view_free(struct view *v);

#endif
