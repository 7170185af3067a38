/*
 * watch - wait until something changes in a directory.
 *
 * inotify wakes the waiter within a millisecond; where it does not work (a shared file system, no
 * instances left) the waiter wakes by itself every WATCH_POLL_MS and looks.  One inotify instance
 * serves a whole process, however many watches it has: a thread shares out what it reports.
 */
#ifndef WATCH_H
#define WATCH_H

#include "err.h"

#define WATCH_POLL_MS 1000

struct watch;

/* Watch the directory ${path} for files made, renamed or written in it.  Never fails for want of
 * inotify, only of memory or descriptors. */
struct watch *watch_open(const char *path, struct err *e);

/* Wait at most ${ms} for a change since the last call, or for ${fd} (-1: none) to become readable
 * or to be hung up.  Returns 1 for a change or when it is time to poll, 2 for ${fd}, 0 when ${ms}
 * have passed. */
int watch_wait(struct watch *w, int fd, int ms);

/* A descriptor that is readable after a change until watch_wait is called; for who waits for
 * several things at once, and wakes by itself every WATCH_POLL_MS. */
int watch_fd(const struct watch *w);

void watch_close(struct watch *w);

#endif
