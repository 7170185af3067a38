/*
 * git - runs git(1) for what it does best: merging and comparing text.
 */
#ifndef APPLY_GIT_H
#define APPLY_GIT_H

#include "base/err.h"

struct git_call {
	int dirfd;               /* the directory that it runs in, not as a part of a repository */
	const char *const *argv; /* argv[0] is "git" */
	const char *const *env;  /* more variables, "NAME=value", NULL-terminated; or NULL */
	bool shows;              /* to the person; else it has nothing to read and nothing to say */
	char *line;              /* for the first line of its output, which is not shown; or NULL */
	size_t size;
};

/* Run git and wait for it; of its own variables only the person's choice of pager and configuration
 * go along.  *${code} is its exit status, 0 also when whoever reads has seen enough.  ERR_CONFIG if
 * there is no git, ERR_IO if it was killed. */
int git_run(const struct git_call *c, int *code, struct err *e);

#endif
