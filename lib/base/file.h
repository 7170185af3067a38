/*
 * file - the operating system's files, made hard to misuse.
 *
 * Everything works relative to an open directory descriptor.  The rules of the house live here:
 * a record is replaced and never edited (temporary file, fsync, rename, fsync of the directory);
 * nothing is created or removed through a symbolic link; removal crosses no file system.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <dirent.h>
#include <sys/types.h>

#include "base/buf.h"

/* Open ${path} (relative, may have slashes) beneath ${dirfd}: no "..", no absolute path and no
 * symbolic link anywhere on the way (openat2(2), or component by component where that is missing).
 * Returns a close-on-exec descriptor or -1; errno is kept. */
int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *e);

/* Open the directory that holds ${path} beneath ${dirfd} and point *${base} at the last component
 * of ${path}.  Returns a descriptor to close, or -1. */
int file_parent_beneath(int dirfd, const char *path, const char **base, struct err *e);

/* Open the directory ${path}, absolute or relative to ${dirfd}; links are followed. */
int file_open_dir(int dirfd, const char *path, struct err *e);

/* Create ${path} and the directories on the way, mode 0700; one that exists is fine. */
int file_make_dirs(int dirfd, const char *path, struct err *e);

/* The same, and open it. */
int file_enter_dir(int dirfd, const char *path, struct err *e);

/* As file_make_dirs, and they survive a power cut; so do those that were there, which somebody else
 * may just have made, where their parent may be read. */
int file_make_durable_dirs(int dirfd, const char *path, struct err *e);

/* Write all ${n} bytes, whatever it takes. */
int file_write(int fd, const void *p, size_t n, struct err *e);

/* Read until ${n} bytes or the end; returns the bytes read, or -1. */
ssize_t file_read(int fd, void *p, size_t n, struct err *e);

/* Append the whole file ${name} to ${b}, whose bound holds; errno is ENOENT if there is none. */
int file_slurp(int dirfd, const char *name, struct buf *b, struct err *e);

/* How the name of a file begins that is about to replace another one. */
#define FILE_TEMPORARY ".new-"

/* Replace ${name} in ${dirfd} by ${n} bytes at ${p}, all or nothing, mode 0600.  ${durable}: it
 * has survived a power cut when this returns. */
int file_replace(int dirfd, const char *name, const void *p, size_t n, bool durable, struct err *e);

/* As a durable file_replace in ${dirfd}, a directory that was just made in ${parentfd}, of which
 * the name becomes durable, too.  The parent goes first: where there is a journal, that is one wait
 * for both, while others go on making directories in it. */
int file_replace_new(int parentfd, int dirfd, const char *name, const void *p, size_t n,
		     struct err *e);

/* fsync a directory. */
int file_sync_dir(int dirfd, struct err *e);

/* Open ${name} (created if missing) and hold flock(2) on it; closing the descriptor lets go.
 * With ${wait} false a lock that someone else holds fails with ERR_BUSY. */
int file_lock(int dirfd, const char *name, bool wait, struct err *e);

/* Does somebody hold that lock?  Nobody does if it is not there; two who ask do not see each other.
 */
bool file_is_held(int dirfd, const char *name);

/* Remove ${name}, file or tree, however deep.  Follows no link, crosses no file system.
 * A name that does not exist is no error. */
int file_remove_tree(int dirfd, const char *name, struct err *e);

/* A new file in ${dirfd} that has no name, to write and read; -1 on failure. */
int file_unnamed(int dirfd, struct err *e);

/* A file in memory, without a name, to read the ${n} bytes of ${p} from; -1 on failure. */
int file_in_memory(const void *p, size_t n, struct err *e);

/* Copy the file ${from} to ${to}, a descriptor that is at its end. */
int file_copy(int from, int to, struct err *e);

/* ${size} bytes of a long file have been written to ${fd}: have the disk begin with what came since
 * *${begun} (0 at first, kept by this), so that making it durable at the end waits for little. */
void file_write_behind(int fd, uint64_t *begun, uint64_t size);

/* The directory ${name} in ${dirfd}, to read the names in it; NULL if there is none, or it cannot
 * be opened.  For file_next or closedir(3). */
DIR *file_list(int dirfd, const char *name);

/* The next name in *${dir}, without "." and "..", valid until the next call.  At the end *${dir} is
 * closed and NULL, and so is what is returned, as for a *${dir} that is NULL. */
const char *file_next(DIR **dir);

/* Close ${fd} if it is not -1, keeping errno. */
void file_close(int fd);

#endif
