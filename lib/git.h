/*
 * git - runs git(1) for what it does best: merging and comparing text.
 */
#ifndef GIT_H
#define GIT_H

#include "err.h"

/* Run git with ${argv} (argv[0] is "git") in the directory ${dirfd}, which it does not take for a
 * part of a repository, with nothing to read and nothing to say.  *${code} is its exit status.
 * ERR_CONFIG if there is no git, ERR_IO if it was killed. */
int git_run(int dirfd, const char *const *argv, int *code, struct err *e);

#endif
