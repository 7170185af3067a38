/*
 * tar_check - what libarchive does not say of a tar.  See tar_check.h.
 */
#include "archive/tar_check.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define SPECIAL (1024 * 1024) /* bytes of a special header, as libarchive has it */
#define PER_EXTENSION 21      /* extents in one block of an old GNU map */

/* Fields of a header (POSIX ustar; GNU tar's extensions of it). */
#define NAME 0
#define SIZE 124
#define CHECKSUM 148
#define TYPE 156
#define LINK 157
#define MAGIC 257
#define SPARSE 386         /* GNU: the sparse map */
#define EXTENDED 482       /* GNU: is the sparse map extended? */
#define EXTENDED_AGAIN 504 /* the same in an extension */

enum { HEADER, BODY, SPECIAL_BODY, MAP, EXTENSION, END, LOST };

/* A number as tar writes it: octal, or base 256 if the uppermost bit is set.  False if it is
 * negative or too large. */
static bool
number(const unsigned char *p, size_t n, uint64_t *value)
{
	uint64_t v = 0;

	if (p[0] & 0x80) {
		if (p[0] != 0x80)
			return false;
		for (size_t i = 1; i < n; i++) {
			if (v >> 55 != 0)
				return false;
			v = v << 8 | p[i];
		}
	} else {
		size_t i = 0;
		while (i < n && (p[i] == ' ' || p[i] == '\t'))
			i++;
		for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
			if (v >> 60 != 0)
				return false;
			v = v << 3 | (unsigned)(p[i] - '0');
		}
	}
	*value = v;
	return true;
}

static bool
is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Old tars add up signed characters. */
static bool
checksum_fits(const unsigned char *block)
{
	uint64_t want, is_unsigned = 0, is_signed = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		unsigned char c = i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : block[i];
		is_unsigned += c;
		is_signed += (uint64_t)(signed char)c;
	}
	return number(block + CHECKSUM, 8, &want) && (want == is_unsigned || want == is_signed);
}

static int
has_nul(const char *name, struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %.256s has a NUL in its name",
		       name);
}

/* A name that fills its field or is followed by nothing but zeros. */
static int
check_field(const unsigned char *p, size_t n, struct err *e)
{
	const unsigned char *nul = memchr(p, '\0', n);
	char name[101];

	if (nul == NULL || is_zero(nul, (size_t)(p + n - nul)))
		return 0;
	memcpy(name, p, (size_t)(nul - p) + 1);
	return has_nul(name, e);
}

static int
has_bad_pax(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the archive has a pax header that makes no sense");
}

static bool
is_key(const char *p, size_t n, const char *key)
{
	return strlen(key) == n && memcmp(p, key, n) == 0;
}

static int
take_record(struct tar_check *w, const char *key, size_t n, const char *value, size_t length,
	    struct err *e)
{
	bool names = is_key(key, n, "path") || is_key(key, n, "GNU.sparse.name");

	if (names || is_key(key, n, "linkpath")) {
		if (memchr(value, '\0', length) != NULL)
			return has_nul(value, e);
		if (names && length > 0)
			w->slash = value[length - 1] == '/';
	} else if (is_key(key, n, "size")) {
		w->sized = true;
		w->size = 0;
		for (size_t i = 0; i < length; i++) {
			if (value[i] < '0' || value[i] > '9' || w->size > INT64_MAX / 10 - 1)
				return has_bad_pax(e);
			w->size = w->size * 10 + (unsigned)(value[i] - '0');
		}
	} else if (is_key(key, n, "GNU.sparse.major")) {
		w->mapped = length == 1 && *value == '1';
	}
	return 0;
}

/* Each record is "<length> <key>=<value>\n", the length that of all of it. */
static int
take_pax(struct tar_check *w, struct err *e)
{
	char *p = w->body, *end = p + w->length;

	while (p < end) {
		size_t n = 0;
		char *at = p;
		while (at < end && *at >= '0' && *at <= '9' && n < SPECIAL)
			n = n * 10 + (unsigned)(*at++ - '0');
		if (at == end || at == p || *at != ' ' || n > (size_t)(end - p) ||
		    n < (size_t)(at - p) + 3 || p[n - 1] != '\n')
			return has_bad_pax(e);
		char *key = at + 1, *last = p + n - 1;
		char *equals = memchr(key, '=', (size_t)(last - key));
		if (equals == NULL || equals == key)
			return has_bad_pax(e);
		*last = '\0';
		size_t length = (size_t)(last - equals - 1);
		if (take_record(w, key, (size_t)(equals - key), equals + 1, length, e) < 0)
			return -1;
		p += n;
	}
	return 0;
}

/* GNU's long names end with a NUL, or with the body. */
static int
take_long_name(struct tar_check *w, struct err *e)
{
	size_t n = strnlen(w->body, w->length);

	if (!is_zero((const unsigned char *)w->body + n, w->length - n))
		return has_nul(w->body, e);
	if (w->type == 'L')
		w->slash = n > 0 && w->body[n - 1] == '/';
	return 0;
}

static int
take_special(struct tar_check *w, struct err *e)
{
	int status = 0;

	if (w->type == 'x')
		status = take_pax(w, e);
	else if (w->type == 'L' || w->type == 'K')
		status = take_long_name(w, e);
	free(w->body);
	w->body = NULL;
	w->state = HEADER;
	return status;
}

static int
begin_special(struct tar_check *w, char type, uint64_t size, struct err *e)
{
	if (size > SPECIAL)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "the archive has a special header of more than %d bytes", SPECIAL);
	w->type = type;
	w->length = (size_t)size;
	w->body_cap = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
	if ((w->body = calloc(1, w->body_cap + 1)) == NULL)
		return err_memory(e);
	w->have = 0;
	w->state = SPECIAL_BODY;
	return w->body_cap == 0 ? take_special(w, e) : 0;
}

/* The content follows: of ${size} bytes, filled up to whole blocks. */
static void
begin_body(struct tar_check *w, uint64_t size)
{
	w->left = (size + BLOCK - 1) / BLOCK * BLOCK;
	w->state = w->left == 0 ? HEADER : w->mapped ? MAP : BODY;
	w->have = 0;
	w->sized = w->mapped = false;
	w->slash = -1;
}

/* Does the name in the header end with a slash?  libarchive takes such a file as a directory. */
static bool
ends_with_slash(const struct tar_check *w)
{
	size_t n = strnlen((const char *)w->block + NAME, 100);

	return w->slash >= 0 ? w->slash == 1 : n > 0 && w->block[NAME + n - 1] == '/';
}

static int
take_header(struct tar_check *w, struct err *e)
{
	const unsigned char *block = w->block;
	char type = (char)block[TYPE];
	uint64_t size;

	w->have = 0;
	if (is_zero(block, BLOCK)) {
		w->state = END;
		return 0;
	}
	if (!checksum_fits(block) || !number(block + SIZE, 12, &size) || size > INT64_MAX / 2 ||
	    type == '1') {
		w->state = LOST;
		return 0;
	}
	if (type == 'V') /* GNU's label of a volume */
		return 0;
	if (type != '\0' && strchr("xXgALK", type) != NULL)
		return begin_special(w, type == 'X' ? 'x' : type, size, e);
	if (check_field(block + NAME, 100, e) < 0 || check_field(block + LINK, 100, e) < 0)
		return -1;
	if (w->sized)
		size = w->size;
	bool empty = type >= '2' && type <= '6';
	if (empty || (type != 'D' && ends_with_slash(w)))
		size = 0;
	bool extended =
	    type == 'S' && memcmp(block + MAGIC, "ustar  ", 7) == 0 && block[EXTENDED] != 0;
	w->extensions = 0;
	begin_body(w, size);
	if (extended)
		w->state = EXTENSION;
	return 0;
}

static int
has_many_extents(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the archive has a sparse file of more than %d pieces", TAR_CHECK_EXTENTS);
}

static int
take_extension(struct tar_check *w, struct err *e)
{
	if (++w->extensions > TAR_CHECK_EXTENTS / PER_EXTENSION)
		return has_many_extents(e);
	w->have = 0;
	if (w->block[EXTENDED_AGAIN] == 0)
		w->state = w->left == 0 ? HEADER : BODY;
	return 0;
}

/* A map begins with the number of its extents, on a line of its own. */
static int
take_map(struct tar_check *w, struct err *e)
{
	unsigned long count = 0;

	for (const unsigned char *p = w->block; *p >= '0' && *p <= '9' && p < w->block + 16; p++)
		count = count * 10 + (unsigned)(*p - '0');
	if (count > TAR_CHECK_EXTENTS)
		return has_many_extents(e);
	w->left -= BLOCK;
	w->have = 0;
	w->state = w->left == 0 ? HEADER : BODY;
	return 0;
}

/* A block is complete. */
static int
take_block(struct tar_check *w, struct err *e)
{
	switch (w->state) {
	case HEADER:
		return take_header(w, e);
	case MAP:
		return take_map(w, e);
	default:
		return take_extension(w, e);
	}
}

/* Take what can be taken of ${n} bytes at once; how many, or -1. */
static ssize_t
take_bytes(struct tar_check *w, const unsigned char *p, size_t n, struct err *e)
{
	size_t part;

	switch (w->state) {
	case LOST:
		return (ssize_t)n;
	case END:
		if (!is_zero(p, n))
			return err_set(e, ERR_WORKSPACE_INVALID, "trailing data after the archive");
		return (ssize_t)n;
	case BODY:
		part = n < w->left ? n : (size_t)w->left;
		w->left -= part;
		if (w->left == 0)
			w->state = HEADER;
		return (ssize_t)part;
	case SPECIAL_BODY:
		part = n < w->body_cap - w->have ? n : w->body_cap - w->have;
		memcpy(w->body + w->have, p, part);
		w->have += part;
		if (w->have < w->body_cap)
			return (ssize_t)part;
		w->have = 0;
		return take_special(w, e) < 0 ? -1 : (ssize_t)part;
	default:
		part = n < BLOCK - w->have ? n : BLOCK - w->have;
		memcpy(w->block + w->have, p, part);
		w->have += part;
		return w->have == BLOCK && take_block(w, e) < 0 ? -1 : (ssize_t)part;
	}
}

int
tar_check_feed(struct tar_check *w, const unsigned char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t taken = take_bytes(w, p, n, e);
		if (taken < 0)
			return -1;
		p += taken;
		n -= (size_t)taken;
	}
	return 0;
}

int
tar_check_skip(struct tar_check *w, uint64_t n)
{
	if (w->state == LOST)
		return 0;
	if (w->state != BODY || n > w->left)
		return -1;
	w->left -= n;
	if (w->left == 0)
		w->state = HEADER;
	return 0;
}

int
tar_check_end(const struct tar_check *w, struct err *e)
{
	if (w->state != END)
		return err_set(e, ERR_WORKSPACE_INVALID, "the archive ends early or is damaged");
	return 0;
}

void
tar_check_free(struct tar_check *w)
{
	free(w->body);
	w->body = NULL;
}
