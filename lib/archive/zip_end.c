/*
 * zip_end - the end of a ZIP.  See zip_end.h.
 */
#include "archive/zip_end.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Fixed parts of the records (APPNOTE.TXT 4.3.14 to 4.3.16). */
#define END 22
#define LOCATOR 20
#define END64 56
#define TAIL (16 * 1024) /* where libarchive looks for the end record */

uint64_t
zip_number(const unsigned char *p, int n)
{
	uint64_t value = 0;

	while (n > 0)
		value = value << 8 | p[--n];
	return value;
}

int
zip_get(int fd, uint64_t at, unsigned char *p, size_t n, struct err *e)
{
	ssize_t got = pread(fd, p, n, (off_t)at);

	if (got < 0)
		return err_sys(e, "cannot read the archive");
	if ((size_t)got != n)
		return err_set(e, ERR_WORKSPACE_INVALID, "the ZIP archive ends early");
	return 0;
}

int
zip_damaged(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the ZIP archive has no directory at its end: it was cut off or is damaged");
}

static int
contradicts(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID, "the ZIP archive's end contradicts itself");
}

/* Find the end record: copy it to ${end}, and its place to *${at}. */
static int
find_record(int fd, uint64_t size, unsigned char end[END], uint64_t *at, struct err *e)
{
	unsigned char tail[TAIL] = {0};
	size_t n = size < TAIL ? (size_t)size : TAIL;

	if (n < END)
		return zip_damaged(e);
	if (zip_get(fd, size - n, tail, n, e) < 0)
		return -1;
	for (size_t i = n - END + 1; i > 0; i--) {
		const unsigned char *p = tail + i - 1;
		if (memcmp(p, "PK\5\6", 4) != 0)
			continue;
		/* The last one must be the one that ends the file: no second one hides behind it.
		 */
		if (i - 1 + END + zip_number(p + 20, 2) != n)
			return zip_damaged(e);
		memcpy(end, p, END);
		*at = size - n + i - 1;
		return 0;
	}
	return zip_damaged(e);
}

/* True if the ${n} bytes at ${p} say ${value}, or that it stands elsewhere. */
static bool
agrees(const unsigned char *p, int n, uint64_t value)
{
	uint64_t said = zip_number(p, n), elsewhere = n == 2 ? 0xffff : 0xffffffff;

	return said == value || said == elsewhere;
}

/* Take what the record for large archives at ${at} says; the short one is ${end}. */
static int
take_large(int fd, uint64_t size, uint64_t at, const unsigned char end[END], struct zip_end *z,
	   struct err *e)
{
	unsigned char large[END64] = {0};

	if (size < END64 || at > size - END64)
		return zip_damaged(e);
	if (zip_get(fd, at, large, END64, e) < 0)
		return -1;
	if (memcmp(large, "PK\6\6", 4) != 0)
		return zip_damaged(e);
	z->end = at;
	z->count = zip_number(large + 32, 8);
	z->modulus = 0;
	z->directory = zip_number(large + 48, 8);
	uint64_t length = zip_number(large + 40, 8);
	if (zip_number(large + 16, 8) != 0 || zip_number(large + 24, 8) != z->count ||
	    !agrees(end + 10, 2, z->count) || !agrees(end + 12, 4, length) ||
	    !agrees(end + 16, 4, z->directory) || z->directory > z->end ||
	    length != z->end - z->directory)
		return contradicts(e);
	return 0;
}

int
zip_end_find(int fd, uint64_t size, struct zip_end *z, struct err *e)
{
	unsigned char end[END] = {0}, locator[LOCATOR] = {0};
	uint64_t at = 0;

	if (find_record(fd, size, end, &at, e) < 0)
		return -1;
	if (agrees(end + 4, 2, 0) && agrees(end + 6, 2, 0) &&
	    zip_number(end + 8, 2) == zip_number(end + 10, 2)) {
		*z = (struct zip_end){.directory = zip_number(end + 16, 4),
				      .end = at,
				      .count = zip_number(end + 10, 2),
				      .modulus = 65536};
	} else {
		return contradicts(e);
	}
	/* libarchive takes the large record whenever its locator is there, needed or not. */
	if (at >= LOCATOR && zip_get(fd, at - LOCATOR, locator, LOCATOR, e) < 0)
		return -1;
	if (memcmp(locator, "PK\6\7", 4) == 0)
		return take_large(fd, size, zip_number(locator + 8, 8), end, z, e);
	if (z->directory > z->end || zip_number(end + 12, 4) != z->end - z->directory)
		return zip_damaged(e);
	return 0;
}
