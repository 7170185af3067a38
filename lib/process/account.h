/*
 * process/account - the account that the command of a task runs as.
 *
 * Where the worker is root, a task gets a user and a group of its own, which nobody else has: the
 * kernel lets root write many a file without any capability, /proc/sys among them.  The number
 * follows from that of the process that runs the task, so no two tasks have the same at a time.
 */
#ifndef PROCESS_ACCOUNT_H
#define PROCESS_ACCOUNT_H

#include <sys/types.h>

#include "process/sandbox.h"

/* The number of the user, and of the group, of what this process runs in ${s}; 0 if it is this
 * process's own: it is not root, or not that of the machine, or there is no sandbox. */
uid_t account_for(const struct sandbox *s);

/* May what runs in ${s} execute ${program}?  ERR_CONFIG if it has an account that may not. */
int account_may_run(const struct sandbox *s, const char *program, struct err *e);

/* A file in memory: what this machine has as /etc/passwd, and ${account} under the name "task", for
 * programs that look up who runs them.  A descriptor, or -1. */
int account_list(uid_t account, struct err *e);

/* Give what ${fd} is open at to ${account}, unless that is 0. */
int account_give(int fd, uid_t account, struct err *e);

/* The same for the directory ${path} in ${dirfd}, and those on the way to it. */
int account_give_path(int dirfd, const char *path, uid_t account, struct err *e);

#endif
