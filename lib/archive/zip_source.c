/*
 * zip_source - the bytes of a ZIP.  See zip_source.h.
 */
#include "archive/zip_source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "archive/zip_end.h"

#define PIECE (256 * 1024) /* bytes of content read at once */
#define LARGE 0xffffffff   /* a size that the ZIP64 field has */
#define KEPT_EXTRA 64      /* bytes of fields with times, at most */
#define SIZES_BEHIND 0x0008
#define UTF8 0x0800

struct zip_source {
	int fd;
	struct zip_directory *directory;
	struct zip_record entry;
	uint64_t at, left; /* of the content at hand */
	bool over;
	unsigned char *piece;
};

struct zip_source *
zip_source_open(int fd, uint64_t size, uint64_t most, struct err *e)
{
	struct zip_source *s = calloc(1, sizeof *s);
	int n = 1;

	if (s == NULL || (s->piece = malloc(PIECE)) == NULL) {
		err_memory(e);
		goto err;
	}
	s->fd = fd;
	if ((s->directory = zip_directory_open(fd, size, most, e)) == NULL)
		goto err;
	while (n > 0)
		n = zip_directory_next(s->directory, &s->entry, e);
	zip_directory_close(s->directory);
	s->directory = NULL;
	if (n < 0 || (s->directory = zip_directory_open(fd, size, most, e)) == NULL)
		goto err;
	return s;
err:
	zip_source_close(s);
	return NULL;
}

void
zip_source_close(struct zip_source *s)
{
	if (s == NULL)
		return;
	zip_directory_close(s->directory);
	free(s->piece);
	free(s);
}

static unsigned char *
put_output(unsigned char *p, uint64_t value, int n)
{
	for (; n > 0; n--, value >>= 8)
		*p++ = (unsigned char)value;
	return p;
}

/* Copy the fields that have times: libarchive knows of more, that would contradict the directory.
 */
static unsigned char *
put_times(unsigned char *p, const struct zip_record *r)
{
	const unsigned char *from = r->extra, *end = from + r->extra_length;
	unsigned char *start = p;

	while (end - from >= 4) {
		size_t id = (size_t)zip_number(from, 2), n = 4 + (size_t)zip_number(from + 2, 2);
		if (n > (size_t)(end - from))
			break;
		/* Info-ZIP's, the new and the old one. */
		if ((id == 0x5455 || id == 0x5855) && n <= KEPT_EXTRA - (size_t)(p - start)) {
			memcpy(p, from, n);
			p += n;
		}
		from += n;
	}
	return p;
}

/* Make the header of the entry (APPNOTE.TXT 4.3.7); how many bytes. */
static ssize_t
make_header(struct zip_source *s)
{
	const struct zip_record *r = &s->entry;
	bool large = r->packed >= LARGE || r->unpacked >= LARGE;
	unsigned char extra[20 + KEPT_EXTRA], *x = extra, *p = s->piece;

	if (large) {
		x = put_output(put_output(x, 1, 2), 16, 2);
		x = put_output(put_output(x, r->unpacked, 8), r->packed, 8);
	}
	x = put_times(x, r);
	memcpy(p, "PK\3\4", 4);
	p = put_output(put_output(p + 4, 45, 2), r->flags & ~(unsigned)(SIZES_BEHIND | UTF8), 2);
	p = put_output(put_output(put_output(p, r->method, 2), r->time, 4), r->crc, 4);
	p = put_output(put_output(p, large ? LARGE : r->packed, 4), large ? LARGE : r->unpacked, 4);
	p = put_output(put_output(p, 1, 2), (uint64_t)(x - extra), 2);
	*p++ = 'x';
	memcpy(p, extra, (size_t)(x - extra));
	p += x - extra;
	return p - s->piece;
}

ssize_t
zip_source_next(struct zip_source *s, const void **data, struct err *e)
{
	static const char end[22] = "PK\5\6";

	*data = s->piece;
	if (s->left > 0) {
		size_t n = s->left < PIECE ? (size_t)s->left : PIECE;
		if (zip_get(s->fd, s->at, s->piece, n, e) < 0)
			return -1;
		s->at += n;
		s->left -= n;
		return (ssize_t)n;
	}
	if (s->over)
		return 0;
	int found = zip_directory_next(s->directory, &s->entry, e);
	if (found < 0)
		return -1;
	if (found == 0) {
		s->over = true;
		*data = end;
		return sizeof end;
	}
	s->at = s->entry.content;
	s->left = s->entry.packed;
	return make_header(s);
}

uint64_t
zip_source_skip(struct zip_source *s, uint64_t n)
{
	uint64_t skipped = n < s->left ? n : s->left;

	s->at += skipped;
	s->left -= skipped;
	return skipped;
}

const struct zip_record *
zip_source_entry(const struct zip_source *s)
{
	return &s->entry;
}
