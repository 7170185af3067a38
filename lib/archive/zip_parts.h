/*
 * zip_parts - the directory of a ZIP that is written in parts.
 *
 * libarchive keeps the directory of what it writes in memory.  So a ZIP of many entries is written
 * as one after the other, of which only the entries are sent; their directories, with the places
 * that the entries have got, wait in a file until all of them can be sent as one.
 */
#ifndef ARCHIVE_ZIP_PARTS_H
#define ARCHIVE_ZIP_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

struct zip_parts {
	FILE *file;       /* the directories so far; NULL before the first */
	struct buf part;  /* the one that libarchive is writing, and the records behind it */
	uint64_t begin;   /* where in the archive the entries of that begin */
	uint64_t entries; /* in the file */
	uint64_t bytes;
};

/* The directory of a part whose entries begin at ${p}->begin is complete in ${p}->part: take it
 * over.  The next part begins at ${next}. */
int zip_parts_add(struct zip_parts *p, uint64_t next, struct err *e);

/* Hand all of it to ${put}, with the records that end a ZIP; it begins at ${p}->begin. */
int zip_parts_finish(struct zip_parts *p, int (*put)(void *arg, const void *data, size_t n),
		     void *arg, struct err *e);

void zip_parts_free(struct zip_parts *p);

#endif
