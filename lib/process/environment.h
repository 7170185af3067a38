/*
 * process/environment - which of our variables a task may know.
 *
 * Our environment has what its user is trusted with: sockets of key agents, tokens, passwords of
 * databases.  A task gets those that say how to run programs and in which language, and those that
 * the operator names.
 */
#ifndef PROCESS_ENVIRONMENT_H
#define PROCESS_ENVIRONMENT_H

#include "base/err.h"

/* Our environment as far as a task may know it, then ${own} (NULL-terminated), which stays the
 * caller's as all variables do: NULL-terminated, only the list to be given to free(3).  ${more} are
 * names, separated by blanks or commas; one that ends with * stands for all that begin so.
 * ${temporary}: also TMPDIR, which means something there. */
char **environment_make(char *const *own, const char *more, bool temporary, struct err *e);

#endif
