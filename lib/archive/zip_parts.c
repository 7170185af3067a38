/*
 * zip_parts - the directory of a ZIP that is written, in parts.  See zip_parts.h.
 */
#include "archive/zip_parts.h"

#include <stdbool.h>
#include <string.h>

#include "archive/zip_end.h"

/* Fixed parts of the records (APPNOTE.TXT 4.3.12, 4.3.14 to 4.3.16). */
#define CENTRAL 46
#define END 22
#define LOCATOR 20
#define END64 56
#define LARGE 0xffffffff /* a number that the ZIP64 field has (4.5.3) */
#define ZIP64 1

static unsigned char *
set(unsigned char *p, uint64_t value, int n)
{
	for (; n > 0; n--, value >>= 8)
		*p++ = (unsigned char)value;
	return p;
}

/* The ZIP64 field among the ${n} bytes at ${p}, or NULL. */
static unsigned char *
find_large(unsigned char *p, size_t n)
{
	unsigned char *end = p + n;

	while (end - p >= 4) {
		size_t length = 4 + (size_t)zip_number(p + 2, 2);
		if (length > (size_t)(end - p))
			break;
		if (zip_number(p, 2) == ZIP64)
			return p;
		p += length;
	}
	return NULL;
}

/* Write the ${n} bytes of the record ${r}, whose entry lies at ${offset}. */
static bool
put_record(FILE *f, unsigned char *r, size_t n, uint64_t offset)
{
	unsigned char *extra = r + CENTRAL + zip_number(r + 28, 2), more[12];
	size_t length = (size_t)zip_number(r + 30, 2), added = 0;
	unsigned char *large = find_large(extra, length), *at = large != NULL ? large : extra;

	if (zip_number(r + 42, 4) == LARGE && large != NULL) {
		/* The offset is the last number in the field. */
		(void)set(large + 4 + zip_number(large + 2, 2) - 8, offset, 8);
	} else if (offset < LARGE) {
		(void)set(r + 42, offset, 4);
	} else {
		unsigned char *p = more;
		if (large != NULL) {
			at = large + 4 + zip_number(large + 2, 2);
			(void)set(large + 2, zip_number(large + 2, 2) + 8, 2);
		} else {
			p = set(set(p, ZIP64, 2), 8, 2);
		}
		added = (size_t)(set(p, offset, 8) - more);
		(void)set(r + 6, 45, 2);
		(void)set(r + 30, length + added, 2);
		(void)set(r + 42, LARGE, 4);
	}
	size_t before = (size_t)(at - r);
	return fwrite(r, before, 1, f) == 1 && (added == 0 || fwrite(more, added, 1, f) == 1) &&
	       fwrite(at, 1, n - before, f) == n - before;
}

/* Where the record ${r} says that its entry lies. */
static uint64_t
place_of(unsigned char *r)
{
	uint64_t offset = zip_number(r + 42, 4);
	unsigned char *large =
	    find_large(r + CENTRAL + zip_number(r + 28, 2), (size_t)zip_number(r + 30, 2));

	if (offset != LARGE || large == NULL)
		return offset;
	return zip_number(large + 4 + zip_number(large + 2, 2) - 8, 8);
}

int
zip_parts_add(struct zip_parts *p, uint64_t next, struct err *e)
{
	unsigned char *r = (unsigned char *)p->part.data;
	size_t left = p->part.len;

	if (p->file == NULL && (p->file = tmpfile()) == NULL)
		return err_sys(e, "cannot make a temporary file");
	while (left >= CENTRAL && memcmp(r, "PK\1\2", 4) == 0) {
		size_t n = CENTRAL + (size_t)(zip_number(r + 28, 2) + zip_number(r + 30, 2) +
					      zip_number(r + 32, 2));
		if (n > left)
			break;
		if (!put_record(p->file, r, n, p->begin + place_of(r)))
			return err_sys(e, "cannot write a temporary file");
		p->entries++;
		r += n;
		left -= n;
	}
	if (left < END || memcmp(r, "PK", 2) != 0 || r[2] < 5)
		return err_set(e, ERR_INTERNAL, "libarchive wrote no directory");
	buf_clear(&p->part);
	p->begin = next;
	return 0;
}

/* The records that end a ZIP whose directory is complete; how many bytes. */
static size_t
make_end(const struct zip_parts *p, unsigned char out[END64 + LOCATOR + END])
{
	unsigned char *at = out;
	bool large = p->entries >= 0xffff || p->bytes >= LARGE || p->begin >= LARGE;

	memset(out, 0, END64 + LOCATOR + END);
	if (large) {
		(void)set(set(set(set(at, 0x06064b50, 4), END64 - 12, 8), 45, 2), 45, 2);
		(void)set(set(at + 24, p->entries, 8), p->entries, 8);
		(void)set(set(at + 40, p->bytes, 8), p->begin, 8);
		at += END64;
		(void)set(at, 0x07064b50, 4);
		(void)set(at + 8, p->begin + p->bytes, 8);
		(void)set(at + 16, 1, 4);
		at += LOCATOR;
	}
	(void)set(at, 0x06054b50, 4);
	(void)set(set(at + 8, large ? 0xffff : p->entries, 2), large ? 0xffff : p->entries, 2);
	(void)set(set(at + 12, large ? LARGE : p->bytes, 4), large ? LARGE : p->begin, 4);
	return (size_t)(at + END - out);
}

int
zip_parts_finish(struct zip_parts *p, int (*put)(void *arg, const void *data, size_t n), void *arg,
		 struct err *e)
{
	char piece[16 * 1024];
	unsigned char end[END64 + LOCATOR + END];
	size_t n;

	if (fflush(p->file) != 0)
		return err_sys(e, "cannot write a temporary file");
	rewind(p->file);
	p->bytes = 0;
	while ((n = fread(piece, 1, sizeof piece, p->file)) > 0) {
		if (put(arg, piece, n) < 0)
			return -1;
		p->bytes += n;
	}
	if (ferror(p->file))
		return err_sys(e, "cannot read a temporary file");
	return put(arg, end, make_end(p, end));
}

void
zip_parts_free(struct zip_parts *p)
{
	if (p->file != NULL)
		(void)fclose(p->file);
	buf_free(&p->part);
}
