/*
 * home - where the state is.
 *
 * $AWCP_HOME, else $XDG_STATE_HOME/awcp, else ~/.local/state/awcp: plain files, directories 0700,
 * files 0600, owned by the user who runs the command.  See awcp-state(5).
 *
 *	delegations/<id>/  record.json events.ndjson base.manifest base.archive snapshots/<snap>/
 *	assignments/<id>/  record.json events.ndjson workspace.archive result.archive work/ ...
 *	queue/<name>/      pending/ running/
 *	peers/ tokens/     a file each
 *	hooks/ log/ tmp/ corrupt/
 */
#ifndef CONFIG_HOME_H
#define CONFIG_HOME_H

#include <dirent.h>

#include "base/jsonx.h"

/* Open the state directory, creating it if need be, and remember it for the process.  Fails with
 * ERR_PERMISSION if it belongs to someone else or others may write to it, and with ERR_CONFIG if
 * its layout is not ours (layout.h).  Returns a descriptor that stays open for the life of the
 * process and must not be closed, or -1. */
int home_open(struct err *e);

/* The same, whatever its layout is: *${layout}.  For examining it or bringing it up to date. */
int home_open_any(int *layout, struct err *e);

/* Where the state directory is or would be, without opening or making it.  NULL if that is not
 * known. */
const char *home_find(struct err *e);

/* The absolute path of the state directory; valid after home_open. */
const char *home_path(void);

/* A descriptor of the directory ${name} in it (such as "delegations"), created if missing, kept
 * for the process and not to be closed; -1 on failure.  On a file system that is read-only, one
 * that is missing is an empty one. */
int home_dir(const char *name, struct err *e);

/* The directory ${name} in it to be read, if it is there; NULL if not.  For file_next or
 * closedir(3). */
DIR *home_list(const char *name);

/* Call ${each} with every name in ${dirfd}, a directory of the state, that ${is} accepts, sorted,
 * until it returns non-zero, which is returned; or -1. */
int home_each(int dirfd, int (*is)(const struct dirent *d),
	      int (*each)(void *arg, const char *name), void *arg, struct err *e);

/* The object in the file ${name} of ${dirfd}, a directory of the state, of at most ${max} bytes: a
 * new reference, or NULL; then errno is ENOENT if, and only if, there is no such file.  A file that
 * is not JSON is ERR_BAD_DATA, and moved into corrupt/ under a name with ${label}, so that it stops
 * nothing else.  Nothing but that moves it: what cannot be read for lack of memory, or because of
 * the disk, may be whole. */
json_t *home_load(int dirfd, const char *name, size_t max, const char *label, struct err *e);

#endif
