/*
 * unpack - takes an archive from someone who may mean harm.
 *
 * Every entry is created beneath an open directory descriptor, through no link.  Refused, with the
 * entry named: absolute and ".." paths, links that lead out of their resource, hard links, devices,
 * FIFOs, sockets, names that are too long, have a NUL in them or are twice there, encrypted
 * entries; and archives that end early or need much memory.  setuid, setgid, sticky and owners are
 * dropped, not taken.  ZIP, tar and tar.zst/.gz/.xz are told apart by their content.
 *
 * A name may have any other byte in it, a newline too: trees have such.  Names that differ only in
 * case are refused where the file system takes them for the same, and only there: the Linux kernel
 * has such.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/pathset.h"
#include "tree/walk.h"

struct unpack_limits {
	uint64_t entries;
	uint64_t bytes; /* unpacked, in all */
	/* Unpacked bytes, holes not counted, for each byte of an archive that unpacks to more than
	 * UNPACK_ANY_RATIO; 0: any. */
	uint64_t ratio;
	unsigned depth; /* components of a path */
	/* If not NULL, the only folders that may occur (NULL-terminated); paths, of which none lies
	 * in another. */
	const char *const *tops;
	uid_t owner; /* to whom, and to whose group, all of it is given; 0: it is ours */
	mode_t mask; /* permission bits that nothing created has */
	struct interrupt interrupt;
};

#define UNPACK_ANY_RATIO (256 << 20)

/* 1,000,000 entries (AWCP_MAX_ENTRIES), 64 GiB (AWCP_MAX_UNPACKED), 1000 : 1 (AWCP_MAX_RATIO), any
 * depth that a path has room for, any top. */
int unpack_limits(struct unpack_limits *l, struct err *e);

struct unpack_totals {
	uint64_t files;
	uint64_t bytes;
	bool compressed; /* at least one entry was */
};

/* Unpack the archive of ${t} (seekable, read from its beginning) into the directory ${dirfd}, which
 * is empty; -1: only look.  On failure what was made is left for the caller to remove with its
 * directory.  ${t}->manifestfd (or -1) gets the manifest of the whole archive with hashes: mode and
 * mtime are as the archive has them, but for a file that was created mtime, ctime and inode are
 * those that it got. */
int unpack(const struct tree *t, int dirfd, const struct unpack_limits *l,
	   struct unpack_totals *totals, struct err *e);

/* Unpack of an archive of ours, which was checked when it arrived, those of ${paths} below
 * ${dirfd}, with the directories above them. */
int unpack_paths(int archivefd, int dirfd, struct pathset *paths, struct err *e);

#define UNPACK_UNWANTED (-2)

/* Who says where an archive's files are to be written. */
struct unpack_taker {
	/* A descriptor to write the content of the file ${entry} to, UNPACK_UNWANTED, or -1. */
	int (*open)(void *arg, const struct entry *entry, struct err *e);
	/* It is written, and ${entry} has its true size: give ${fd} its mode and so on, and close
	 * it. */
	int (*end)(void *arg, const struct entry *entry, int fd, struct err *e);
	void *arg;
};

/* Hand the files of an archive of ours, which was checked when it arrived, to ${k}; holes stay
 * holes. */
int unpack_take(int archivefd, const struct unpack_taker *k, struct err *e);

/* Who wants the content of an archive's files handed out. */
struct unpack_visitor {
	/* ${entry} is a file of ${size} bytes, its header says: 1 to take it, 0 not to, -1. */
	int (*begin)(void *arg, const struct entry *entry, uint64_t size, struct err *e);
	/* ${n} bytes of it, at ${at}; between this piece and the previous one there are zeros. */
	int (*piece)(void *arg, const void *p, size_t n, uint64_t at, struct err *e);
	/* That was all; ${entry} has its true size. */
	int (*end)(void *arg, const struct entry *entry, struct err *e);
	void *arg;
};

/* As unpack, but nothing is created: the files go to ${v} (or NULL).  ${l} is NULL for an archive
 * of ours.  If ${listfd} is not -1, the archive must be a delta: its last entry is PACK_LIST (see
 * pack.h), which is written there. */
int unpack_visit(const struct tree *t, const struct unpack_limits *l,
		 const struct unpack_visitor *v, int listfd, struct unpack_totals *totals,
		 struct err *e);

#endif
