/*
 * process/exec_once - execute a program that can execute no other, nor can its descendants.
 *
 * A seccomp(2) filter takes execve(2) only with the three addresses that this process calls it with
 * once, and execveat(2) never.  The addresses are chosen at random, far from each other, and mean
 * nothing after that call: the new program has other memory, cannot read the filter, and would have
 * to guess more than a hundred bits.  So the filter, which lasts as long as the process and its
 * children, lets exactly one execution through, scripts with their interpreters included.
 *
 * What a program does without executing another stays possible: to fork, and to interpret what it
 * finds.
 */
#ifndef PROCESS_EXEC_ONCE_H
#define PROCESS_EXEC_ONCE_H

#include "base/err.h"

/* The first argument of a program that is to call exec_once with the arguments after it. */
#define EXEC_ONCE_OPTION "--exec-once"

/* Execute ${argv}, found as execvp(3) finds it, with the environment as it is.  Returns only on
 * failure, -1; ERR_CONFIG where it cannot be done. */
int exec_once(char *const argv[], struct err *e);

#endif
