#include "archive/zip_source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* Fixed parts of the records (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.14 to 4.3.16). */
#define LOCAL 30
#define CENTRAL 46
#define END 22
#define LOCATOR 20
#define END64 56

#define WINDOW (256 * 1024)         /* more than any record can have */
#define TAIL (16 * 1024)            /* where the end record is looked for */
#define NAME_LENGTH (TREE_PATH + 1) /* a directory's ends with a slash */
#define LARGE 0xffffffff            /* a number that the ZIP64 field has (4.5.3) */
#define KEPT_EXTRA 64               /* bytes of fields with times, at most */

#define DOS 0
#define UNIX 3
#define STORED 0 /* methods (4.4.5) that need little memory */
#define DEFLATED 8
#define DARWIN 19
#define ENCRYPTED 0x2041 /* bits: encrypted, strongly, with a hidden directory */
#define SIZES_BEHIND 0x0008
#define UTF8 0x0800

struct zip_source {
	int fd;
	uint64_t size;
	uint64_t next, end; /* of the directory: the next record, and where it ends */
	uint64_t from;      /* where the window begins */
	size_t have;        /* bytes in it */
	struct zip_record entry;
	uint64_t at, left; /* of the content of that */
	bool over;
	unsigned char *window, *piece; /* WINDOW bytes each */
};

static uint64_t
number(const unsigned char *p, int n)
{
	uint64_t value = 0;

	while (n > 0)
		value = value << 8 | p[--n];
	return value;
}

static int
damaged(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the ZIP archive has no directory at its end: it was cut off or is damaged");
}

static int
read_at(const struct zip_source *s, uint64_t at, unsigned char *p, size_t n, struct err *e)
{
	ssize_t got = at > s->size ? 0 : pread(s->fd, p, n, (off_t)at);

	if (got < 0)
		return err_sys(e, "cannot read the archive");
	return (size_t)got == n ? 0 : damaged(e);
}

/* Find the directory.  The last end record must end the file. */
static int
find_directory(struct zip_source *s, struct err *e)
{
	unsigned char *tail = s->piece;
	size_t n = s->size < TAIL ? (size_t)s->size : TAIL, i = n;

	if (n < END)
		return damaged(e);
	if (read_at(s, s->size - n, tail, n, e) < 0)
		return -1;
	for (i = n - END; i > 0 && memcmp(tail + i, "PK\5\6", 4) != 0;)
		i--;
	if (memcmp(tail + i, "PK\5\6", 4) != 0 || i + END + number(tail + i + 20, 2) != n)
		return damaged(e);
	s->next = number(tail + i + 16, 4);
	s->end = s->size - n + i;
	if (i >= LOCATOR && memcmp(tail + i - LOCATOR, "PK\6\7", 4) == 0) {
		unsigned char large[END64] = {0};
		s->end = number(tail + i - LOCATOR + 8, 8);
		if (read_at(s, s->end, large, sizeof large, e) < 0)
			return -1;
		s->next = number(large + 48, 8);
		if (memcmp(large, "PK\6\6", 4) != 0)
			return damaged(e);
	}
	return s->next < s->end ? 0 : damaged(e);
}

struct zip_source *
zip_source_open(int fd, uint64_t size, struct err *e)
{
	struct zip_source *s = calloc(1, sizeof *s);

	if (s == NULL || (s->window = malloc(WINDOW)) == NULL ||
	    (s->piece = malloc(WINDOW)) == NULL) {
		err_memory(e);
		goto err;
	}
	s->fd = fd;
	s->size = size;
	if (find_directory(s, e) == 0)
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
	free(s->window);
	free(s->piece);
	free(s);
}

static int
refuse(const struct zip_record *r, const char *why, struct err *e)
{
	size_t n = r->name_length < 256 ? r->name_length : 256;

	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %.*s%s %s", (int)n,
		       (const char *)r->name, r->name_length > n ? "…" : "", why);
}

/* Replace what did not fit into 32 bits by what the ZIP64 field has (APPNOTE.TXT 4.5.3). */
static bool
take_large(struct zip_record *r)
{
	uint64_t *const values[] = {&r->unpacked, &r->packed, &r->offset};
	const unsigned char *p = r->extra, *end = p + r->extra_length;
	bool missing = r->unpacked == LARGE || r->packed == LARGE || r->offset == LARGE;

	while (missing && end - p >= 4) {
		size_t n = (size_t)number(p + 2, 2);
		bool large = number(p, 2) == 1;
		p += 4;
		if (n > (size_t)(end - p))
			return false;
		for (size_t i = 0; large && i < sizeof values / sizeof values[0]; i++) {
			if (*values[i] != LARGE)
				continue;
			if (n < 8)
				return false;
			*values[i] = number(p, 8);
			p += 8;
			n -= 8;
		}
		if (large)
			return true;
		p += n;
	}
	return !missing;
}

/* What the entry is, by its attributes (APPNOTE.TXT 4.4.15) and the slash after a directory's name;
 * '?' for what a ZIP from Unix should not have. */
static void
take_type(struct zip_record *r, uint64_t attributes)
{
	bool unix_made = r->system == UNIX || r->system == DARWIN;
	unsigned format = unix_made ? (unsigned)(attributes >> 16) & S_IFMT : 0;
	unsigned char last = r->name_length > 0 ? r->name[r->name_length - 1] : '\0';
	bool backslashes = r->system == DOS && memchr(r->name, '/', r->name_length) == NULL;
	bool slash = last == '/' || (last == '\\' && backslashes);

	if (unix_made)
		r->mode = (mode_t)(attributes >> 16) & 07777;
	if (slash || format == S_IFDIR || (r->system == DOS && (attributes & 0x10) != 0))
		r->type = 'd';
	else if (format == S_IFLNK)
		r->type = 'l';
	else
		r->type = format == 0 || format == S_IFREG ? 'f' : '?';
	if (format == 0 && r->mode == 0) /* the writer keeps none */
		r->mode = r->type == 'd' ? 0755 : 0644;
}

/* The ${n} bytes of the directory at ${s}->next, or NULL. */
static const unsigned char *
look_ahead(struct zip_source *s, size_t n, struct err *e)
{
	uint64_t left = s->end - s->next;

	if (n > left) {
		damaged(e);
		return NULL;
	}
	if (s->next < s->from || s->next + n > s->from + s->have) {
		s->from = s->next;
		s->have = left < WINDOW ? (size_t)left : WINDOW;
		if (read_at(s, s->from, s->window, s->have, e) < 0) {
			s->have = 0;
			return NULL;
		}
	}
	return s->window + (s->next - s->from);
}

/* Read the next record of the directory. */
static int
read_record(struct zip_source *s, struct err *e)
{
	const unsigned char *p = look_ahead(s, CENTRAL, e);

	if (p == NULL)
		return -1;
	if (memcmp(p, "PK\1\2", 4) != 0)
		return damaged(e);
	size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2);
	size_t length = CENTRAL + name + extra + (size_t)number(p + 32, 2);
	if ((p = look_ahead(s, length, e)) == NULL)
		return -1;
	s->entry = (struct zip_record){.system = p[5],
				       .flags = (unsigned)number(p + 8, 2),
				       .method = (unsigned)number(p + 10, 2),
				       .time = (uint32_t)number(p + 12, 4),
				       .crc = number(p + 16, 4),
				       .packed = number(p + 20, 4),
				       .unpacked = number(p + 24, 4),
				       .offset = number(p + 42, 4),
				       .name = p + CENTRAL,
				       .name_length = name,
				       .extra = p + CENTRAL + name,
				       .extra_length = extra};
	s->next += length;
	take_type(&s->entry, number(p + 38, 4));
	return 0;
}

/* Check the entry, and find its content. */
static int
find_content(struct zip_source *s, struct err *e)
{
	struct zip_record *r = &s->entry;
	unsigned char local[LOCAL] = {0};

	if (r->name_length > NAME_LENGTH)
		return refuse(r, "has a path that is too long", e);
	if (memchr(r->name, '\0', r->name_length) != NULL)
		return refuse(r, "has a NUL in its name", e);
	if (r->type == '?')
		return refuse(r, "is neither a file nor a directory nor a link", e);
	if ((r->flags & ENCRYPTED) != 0)
		return refuse(r, "is encrypted", e);
	if (r->method != STORED && r->method != DEFLATED)
		return refuse(r, "is neither stored nor deflated", e);
	if (!take_large(r))
		return refuse(r, "has no size", e);
	if ((r->method == STORED || r->packed == 0) && r->packed != r->unpacked)
		return refuse(r, "has another size than its content", e);
	if (r->offset >= s->size || read_at(s, r->offset, local, LOCAL, e) < 0 ||
	    memcmp(local, "PK\3\4", 4) != 0)
		return refuse(r, "has no content", e);
	s->at = r->offset + LOCAL + number(local + 26, 2) + number(local + 28, 2);
	s->left = r->packed;
	if (s->at > s->size || s->left > s->size - s->at)
		return refuse(r, "lies outside of the archive", e);
	return 0;
}

static unsigned char *
put(unsigned char *p, uint64_t value, int n)
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
		size_t id = (size_t)number(from, 2), n = 4 + (size_t)number(from + 2, 2);
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
		x = put(put(x, 1, 2), 16, 2);
		x = put(put(x, r->unpacked, 8), r->packed, 8);
	}
	x = put_times(x, r);
	memcpy(p, "PK\3\4", 4);
	p = put(put(p + 4, 45, 2), r->flags & ~(unsigned)(SIZES_BEHIND | UTF8), 2);
	p = put(put(put(p, r->method, 2), r->time, 4), r->crc, 4);
	p = put(put(p, large ? LARGE : r->packed, 4), large ? LARGE : r->unpacked, 4);
	p = put(put(p, 1, 2), (uint64_t)(x - extra), 2);
	*p++ = 'x';
	memcpy(p, extra, (size_t)(x - extra));
	p += x - extra;
	return p - s->piece;
}

ssize_t
zip_source_next(struct zip_source *s, const void **data, struct err *e)
{
	static const char end[END] = "PK\5\6";

	*data = s->piece;
	if (s->left > 0) {
		size_t n = s->left < WINDOW ? (size_t)s->left : WINDOW;
		if (read_at(s, s->at, s->piece, n, e) < 0)
			return -1;
		s->at += n;
		s->left -= n;
		return (ssize_t)n;
	}
	if (s->over)
		return 0;
	if (s->next == s->end) {
		s->over = true;
		*data = end;
		return sizeof end;
	}
	return read_record(s, e) < 0 || find_content(s, e) < 0 ? -1 : make_header(s);
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
