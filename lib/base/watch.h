/*
 * watch - wait until something changes in a directory.
 *
 * inotify wakes the waiter within a millisecond; where it does not work (a shared file system, no
 * instances left) the waiter wakes by itself every WATCH_POLL_MS.  One inotify instance
 * serves a whole process, however many watches it has: a thread passes on what it reports.
 */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include "base/err.h"

#define WATCH_POLL_MS 1000

struct watch;

/* Watch the directory ${path} for files written in it or renamed into it, but for those whose name
 * begins with a dot.  Never fails for want of inotify, only of memory or descriptors. */
struct watch *watch_open(const char *path, struct err *e);

/* Wait at most ${ms} for a change since the last call, or for ${fd} (-1: none) to become readable
 * or to be hung up.  Returns 1 for a change or when it is time to poll, 2 for ${fd}, 0 when ${ms}
 * have passed. */
int watch_wait(struct watch *w, int fd, int ms);

/* A descriptor that is readable after a change until watch_wait is called; for those who wait
 * for several things at once, and wake by themselves every WATCH_POLL_MS. */
int watch_fd(const struct watch *w);

void watch_close(struct watch *w);

/*
 * Many directories for one thread, with one descriptor for all of them.
 */
struct watch_set;

struct watch_set *watch_set_open(struct err *e);

/* Close a set from which all was removed. */
void watch_set_close(struct watch_set *s);

/* Readable when there is something for watch_set_read; -1 where there is only polling. */
int watch_set_fd(const struct watch_set *s);

/* Watch ${path} as watch_open does, and call it ${mark}; several may watch the same directory.
 * Returns what watch_set_remove wants, -1 if ${path} can only be polled. */
int watch_set_add(struct watch_set *s, const char *path, void *mark);

void watch_set_remove(struct watch_set *s, int number, const void *mark);

/* Call ${changed}, which adds and removes nothing, with every mark whose directory was reported
 * since the last call, perhaps more than once, and the ${name} of the file in it. */
void watch_set_read(struct watch_set *s, void (*changed)(void *mark, const char *name));

#endif
