/*
 * process/tree - processes as the system lists them: those that descend from one, and those that
 * carry a mark in their environment.
 *
 * What is read is past as soon as it is read, so everything here is done again until nothing new
 * is found.
 */
#ifndef PROCESS_TREE_H
#define PROCESS_TREE_H

#include <sys/types.h>

#include "base/buf.h"

struct process_tree {
	pid_t *pid;
	size_t count, cap;
};

#define PROCESS_TREE_INIT  \
	{                  \
		NULL, 0, 0 \
	}

/* Append all that descends from ${root}, parents before their children, without ${root} itself.
 * When memory runs out, or of more than a million, the rest is left out. */
void process_tree_add(struct process_tree *t, pid_t root);
void process_tree_free(struct process_tree *t);

/* Send ${signal} to all that descends from ${root}. */
void process_tree_signal(pid_t root, int signal);

#define PROCESS_ENVIRONMENT (8 << 20) /* bytes; the kernel takes less */

/* Is there a string in the environment of process ${pid} that begins with ${prefix}?  Then *${rest}
 * is what follows there; it is in ${b}.  Where it may not be read, it is not a process of ours. */
bool process_carries(int procfd, const char *pid, const char *prefix, struct buf *b,
		     const char **rest);

/* Kill every process of this user, and all that descends from it, that was started with the string
 * ${mark} ("NAME=value") in its environment, until there is none.  Returns how many there were; -1
 * with ERR_BUSY if one would not die. */
int process_hunt(const char *mark, struct err *e);

#endif
