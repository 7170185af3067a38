/*
 * process/measure - how much processes and directories use, for where the kernel does not hold them
 * to a limit.
 */
#ifndef PROCESS_MEASURE_H
#define PROCESS_MEASURE_H

#include <stdint.h>

#include "process/tree.h"

/* The bytes of memory that ${t} uses: what it has written to, shared with others or not, in memory
 * or swapped out; files in a /tmp and a /dev/shm that are not ours; and files without a name, open
 * or mapped.  It is found out exactly only if it may be more than ${limit}. */
uint64_t measure_memory(const struct process_tree *t, uint64_t limit);

/* Seconds of CPU time that ${t} has used, with those of its processes that were waited for. */
uint64_t measure_cpu(const struct process_tree *t);

/* The bytes of files on the file system ${device} that have no name any more and that ${t} has
 * open. */
uint64_t measure_unnamed(const struct process_tree *t, dev_t device);

/* Bytes that the tree at ${path} takes on the disk; a file with several names counts once in all,
 * shared out among them.  UINT64_MAX if directories are nested more than MEASURE_DEPTH. */
uint64_t measure_directory(const char *path);

#define MEASURE_DEPTH 128 /* each takes a buffer while it is open */

#endif
