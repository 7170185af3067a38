/*
 * unpack - takes an archive from someone who may mean harm.
 *
 * Every entry is created beneath an open directory descriptor, through no link.  Refused, with the
 * entry named: absolute and ".." paths, links that lead out of their resource, hard links, devices,
 * FIFOs, sockets, names that are too long or twice there, encrypted entries, archives that end
 * early.  setuid, setgid, sticky, owners, times in the future of an entry are dropped, not taken.
 * ZIP, tar and tar.zst/.gz/.xz are told apart by their content.
 */
#ifndef UNPACK_H
#define UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct unpack_limits {
	uint64_t entries;
	uint64_t bytes; /* unpacked, in all */
	unsigned depth; /* components of a path */
	/* If not NULL, the only top-level folders that may occur (NULL-terminated). */
	const char *const *tops;
};

/* 1,000,000 entries, 64 GiB (AWCP_MAX_UNPACKED), depth 1000, any top. */
int unpack_limits(struct unpack_limits *l, struct err *e);

struct unpack_totals {
	uint64_t files;
	uint64_t bytes;
	bool compressed; /* at least one entry was */
};

/* Unpack the archive in ${fd} (seekable, read from its beginning) into the directory ${dirfd},
 * which is empty.  On failure what was made is left for the caller to remove with its directory.
 * ${want} (or NULL for all) picks the paths to create; the directories above are created as needed.
 * ${dirfd} -1 creates nothing and only looks.  ${manifestfd} (or -1) gets the manifest of the whole
 * archive, wanted or not, with hashes (mode and mtime as the archive has them). */
int unpack(int fd, int dirfd, const struct unpack_limits *l,
	   bool (*want)(void *arg, const char *path), void *arg, int manifestfd,
	   struct unpack_totals *totals, struct err *e);

#endif
