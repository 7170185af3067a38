/*
 * sandbox - how far the command of a task can reach.
 *
 * "bwrap" is bubblewrap: the whole file system is there, read-only; only the workspace and the
 * directory of AWCP_RESULT are writable, besides a /tmp of its own; the state directory, the
 * account's keys and the sockets of the session, of system services and of container engines are
 * hidden; processes are alone in their pid namespace, and all of them end with the command.  The
 * network is shared with the host.  "none" is no sandbox at all.
 *
 * A word of the operator's command that is the absolute path of a file stays visible, read-only,
 * also where everything else is hidden: who names a program in /tmp wants it run.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum sandbox_kind { SANDBOX_BWRAP, SANDBOX_NONE };

struct sandbox_profile {
	enum sandbox_kind kind;
	const char *cwd;             /* where the command starts, absolute */
	const char *const *writable; /* directories, absolute, NULL-terminated */
	const char *const *readonly; /* directories inside the writable ones, NULL-terminated */
	int infofd; /* bwrap writes there, as JSON, the pid of the sandbox's first process */
};

/* The sandbox called ${name}: "bwrap" or "none"; ERR_USAGE if there is none of that name. */
int sandbox_find(const char *name, enum sandbox_kind *kind, struct err *e);

/* Build the command line that runs ${argv} as ${p} says: NULL-terminated, to be given to
 * sandbox_free.  Needs home_open.  NULL on failure. */
char **sandbox_command(const struct sandbox_profile *p, char *const *argv, struct err *e);
void sandbox_free(char **argv);

/* Run nothing in a sandbox of ${kind}, to see whether it works here; ERR_CONFIG says why not. */
int sandbox_available(enum sandbox_kind kind, struct err *e);

#endif
