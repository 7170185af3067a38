/*
 * unpacker - an archive that is being unpacked, as unpack.c and unpack_content.c share it.
 */
#ifndef ARCHIVE_UNPACKER_H
#define ARCHIVE_UNPACKER_H

#include <locale.h>

#include "archive/admit.h"
#include "archive/extract.h"
#include "archive/hasher.h"
#include "archive/source.h"
#include "archive/unpack.h"

struct unpacker {
	int fd;
	uint64_t size; /* of the archive */
	bool nothing;  /* it is a ZIP of nothing but its end record: libarchive knows no such */
	struct source source;
	const struct unpack_limits *l;
	struct unpack_totals *totals;
	uint64_t entries;
	int64_t written;  /* how far the current file is, without a hole at its end */
	uint64_t content; /* bytes of files, without holes */
	bool creates;     /* there is a directory to unpack to: */
	struct extract extract;
	struct pathset *paths;                /* what is to be created, or NULL for all */
	const struct unpack_visitor *visitor; /* or NULL */
	const struct unpack_taker *taker;     /* or NULL */
	int listfd;                           /* for the list of a delta, or -1 */
	bool visits;                          /* the visitor takes the current file */
	bool listed;                          /* the list was there: nothing may follow */
	struct hasher *hasher;                /* of the manifest, or NULL */
	struct admit current;                 /* the entry being unpacked */
	locale_t locale, previous;
};

/* The archive is to blame: say at which entry. */
int unpacker_refuse(const struct unpacker *u, struct err *e);

/* Copy the content of the current file to ${fd} (-1: nowhere), to the visitor that takes it and to
 * the hasher, within the limits. */
int unpacker_content(struct unpacker *u, int fd, struct err *e);

#endif
