/* process - ends processes whose parent was killed. */
#ifndef REAP_PROCESS_H
#define REAP_PROCESS_H

#include "reap/context.h"

/* What a program of ours that was killed left: processes, and a directory. */
struct reap_left {
	const char *owner; /* the program, "awcp-serve" */
	int dirfd;
	const char *name; /* the directory, in ${dirfd} */
	const char *mark; /* in the environment of all that it started: "AWCP_SERVE=<path>" */
	const char *cwd;  /* or NULL: nginx, which overwrites its environment, works here */
	bool outside;     /* the directory is not in the state */
};

/* Ask the processes of ${l} to end, half a minute later kill them; then remove the directory. */
void reap_clear_left(struct reap *r, const struct reap_left *l);

/* Is the lock ${path} in the state held? */
bool reap_is_held(const char *path);

#endif
