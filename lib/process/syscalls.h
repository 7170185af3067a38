/*
 * process/syscalls - system calls that a task may not make, as a seccomp(2) filter.
 *
 * Never those of the kernel's keyrings: they belong to the user and not to a namespace, so a task
 * would share those of the worker.  Without a network only sockets of kinds that a namespace of the
 * network confines, so none to the host of a virtual machine, and no io_uring, which makes sockets
 * past this filter.  Such calls fail as on a kernel that does not have them.
 */
#ifndef PROCESS_SYSCALLS_H
#define PROCESS_SYSCALLS_H

#include "base/err.h"

struct syscalls_denied {
	bool sockets;       /* but those that a namespace confines */
	bool shared_memory; /* of System V, which belongs to no process and so cannot be measured */
};

/* A file in memory with the filter, as bwrap --seccomp reads it; -1 on failure.  It knows the calls
 * of x86 and ARM; on other machines only the native ones for keyrings. */
int syscalls_filter(const struct syscalls_denied *d, struct err *e);

#endif
