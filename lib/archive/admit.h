/*
 * admit - an archive's entry, once it has been found to be harmless.
 */
#ifndef ARCHIVE_ADMIT_H
#define ARCHIVE_ADMIT_H

#include <archive.h>
#include <archive_entry.h>

#include "base/err.h"
#include "tree/tree.h"
#include "archive/unpack.h"

struct admit {
	const struct unpack_limits *limits;
	struct entry entry; /* what was last taken; points into the two below */
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1];
};

/* Fill ${i}->entry from a header: 1, 0 if it is the top of the archive itself and nothing to make,
 * -1 with ERR_WORKSPACE_INVALID and ${i}->path set as far as it is known. The size is 0, but for a
 * link: what the header claims is not believed. */
int admit_take(struct admit *i, struct archive_entry *h, struct err *e);

/* Check ${entry}, which comes from a list, as if it came in the archive; ${i}->path is its path
 * then.
 */
int admit_listed(struct admit *i, const struct entry *entry, struct err *e);

/* Refuse the entry: "the archive's entry <path> <why>". Returns -1. */
int admit_refuse(const struct admit *i, const char *why, struct err *e);

#endif
