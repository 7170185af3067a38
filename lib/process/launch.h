/*
 * process/launch - starts another program of ours, for work that this one should not do itself.
 *
 * Unlike process_start, what is started is trusted, and is not watched over: it has default signals
 * and no descriptor but the three standard ones.
 */
#ifndef PROCESS_LAUNCH_H
#define PROCESS_LAUNCH_H

#include <limits.h>
#include <sys/types.h>

#include "base/err.h"

struct launch {
	const char *program; /* path */
	char *const *argv;
	char *const *envp;
	const char *input;      /* what it reads on stdin; NULL: nothing */
	int stdoutfd, stderrfd; /* -1: /dev/null, and what we have */
	bool detached;          /* in a session of its own, a child of nobody */
};

/* Start ${l}; its pid, or if detached that of a process that has ended, or -1. */
pid_t launch(const struct launch *l, struct err *e);

/* The path of program ${name} of ours, which lies beside the one that runs now. */
int launch_find(const char *name, char path[PATH_MAX], struct err *e);

/* Wait for the end of ${child}; the status as from waitpid(2). */
int launch_wait(pid_t child);

#endif
