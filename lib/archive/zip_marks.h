/*
 * zip_marks - which headers of a ZIP claim that a name is UTF-8, and how many entries there are.
 *
 * libarchive composes such names, "e\xcc\x81" to "\xc3\xa9", and loses them where the locale is
 * another.  Names must come out as they went in: so it is shown the headers without that mark, and
 * takes the bytes as they are.  It keeps all of the directory in memory, too, so what has too many
 * entries for that is refused before it is asked.
 */
#ifndef ARCHIVE_ZIP_MARKS_H
#define ARCHIVE_ZIP_MARKS_H

#include "base/err.h"

#define ZIP_ENTRIES 250000 /* at most, at some 200 bytes each */

struct zip_marks {    /* private; all zeros: none */
	uint64_t *at; /* where the bytes with a mark lie, sorted */
	size_t count, cap;
};

/* Find them in the ZIP in ${fd} (pread; it stays the caller's), ${size} bytes long.
 * ERR_WORKSPACE_INVALID if it has no directory at its end, ERR_WORKSPACE_TOO_LARGE if that has more
 * than ZIP_ENTRIES. */
int zip_marks_find(struct zip_marks *m, int fd, uint64_t size, struct err *e);

/* Take the marks away from the ${n} bytes at ${p}, which were read at ${at}. */
void zip_marks_clear(const struct zip_marks *m, uint64_t at, char *p, size_t n);

void zip_marks_free(struct zip_marks *m);

#endif
