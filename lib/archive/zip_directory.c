/*
 * zip_directory - the directory of a ZIP.  See zip_directory.h.
 */
#include "archive/zip_directory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/tree.h"
#include "archive/zip_end.h"

/* Fixed parts of the records, and their bounds here (APPNOTE.TXT 4.3.7, 4.3.12). */
#define LOCAL 30
#define CENTRAL 46
#define NAME_LENGTH (TREE_PATH + 1) /* a directory's ends with a slash */
#define WINDOW (256 * 1024)         /* more than any record can have */

#define DOS 0
#define UNIX 3
#define STORED 0 /* methods (4.4.5) that need little memory */
#define DEFLATED 8
#define DARWIN 19
#define ENCRYPTED 0x2041 /* bits: encrypted, strongly, with a hidden directory */
#define SIZES_BEHIND 0x0008
#define UTF8 0x0800

static const struct zip_record no_record = {.name = (const unsigned char *)"",
					    .extra = (const unsigned char *)""};

struct zip_directory {
	int fd;
	struct zip_end end;
	uint64_t count, max;
	uint64_t at;              /* the next record of the directory */
	uint64_t from;            /* where the window begins */
	size_t have;              /* bytes in it */
	uint64_t end_of_previous; /* the content of the previous entry ends here */
	bool sizes_behind;        /* and its sizes follow */
	unsigned char *central;   /* the window, WINDOW bytes */
	unsigned char *local;     /* a header in front of content, WINDOW bytes */
};

static int
refuse_zip(const struct zip_record *r, const char *why, struct err *e)
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
	bool missing =
	    r->unpacked == 0xffffffff || r->packed == 0xffffffff || r->offset == 0xffffffff;

	while (missing && end - p >= 4) {
		size_t n = (size_t)zip_number(p + 2, 2);
		bool large = zip_number(p, 2) == 1;
		p += 4;
		if (n > (size_t)(end - p))
			return false;
		for (size_t i = 0; large && i < sizeof values / sizeof values[0]; i++) {
			if (*values[i] != 0xffffffff)
				continue;
			if (n < 8)
				return false;
			*values[i] = zip_number(p, 8);
			p += 8;
			n -= 8;
		}
		if (large)
			return true;
		p += n;
	}
	return !missing;
}

/* Move the window so that ${n} bytes at ${d}->at are in it, or what is left of the directory. */
static int
fill_window(struct zip_directory *d, size_t n, struct err *e)
{
	uint64_t left = d->end.end - d->at;

	if (d->at >= d->from && d->at - d->from <= d->have && d->have - (d->at - d->from) >= n)
		return 0;
	d->from = d->at;
	d->have = left < WINDOW ? (size_t)left : WINDOW;
	return zip_get(d->fd, d->at, d->central, d->have, e);
}

/* What the entry is, by its attributes (APPNOTE.TXT 4.4.15) and the slash after a directory's
 * name;
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
}

/* The next record of the directory. */
static int
next(struct zip_directory *d, struct zip_record *r, struct err *e)
{
	if (d->end.end - d->at < CENTRAL)
		return zip_damaged(e);
	if (fill_window(d, CENTRAL, e) < 0)
		return -1;
	const unsigned char *p = d->central + (d->at - d->from);
	if (memcmp(p, "PK\1\2", 4) != 0)
		return zip_damaged(e);
	size_t name = (size_t)zip_number(p + 28, 2), extra = (size_t)zip_number(p + 30, 2);
	size_t length = CENTRAL + name + extra + (size_t)zip_number(p + 32, 2);
	if (length > d->end.end - d->at)
		return zip_damaged(e);
	if (fill_window(d, length, e) < 0)
		return -1;
	p = d->central + (d->at - d->from);
	*r = (struct zip_record){.system = p[5],
				 .flags = (unsigned)zip_number(p + 8, 2),
				 .method = (unsigned)zip_number(p + 10, 2),
				 .time = (uint32_t)zip_number(p + 12, 4),
				 .crc = zip_number(p + 16, 4),
				 .packed = zip_number(p + 20, 4),
				 .unpacked = zip_number(p + 24, 4),
				 .offset = zip_number(p + 42, 4),
				 .name = p + CENTRAL,
				 .name_length = name,
				 .extra = p + CENTRAL + name,
				 .extra_length = extra};
	d->at += length;
	take_type(r, zip_number(p + 38, 4));
	return 0;
}

/* May something lie between the previous entry and ${at}?  Its sizes, if it has them after it. */
static bool
is_gap(const struct zip_directory *d, uint64_t at)
{
	uint64_t gap = at - d->end_of_previous;

	return gap == 0 || (d->sizes_behind && gap >= 12 && gap <= 24 && gap % 4 == 0);
}

/* Read the header that ${r} leads to: all of it, ${l}. */
static int
read_local(struct zip_directory *d, struct zip_record *r, struct zip_record *l, struct err *e)
{
	unsigned char *p = d->local;

	if (r->offset < d->end_of_previous)
		return refuse_zip(r, "overlaps another, or is out of order", e);
	if (!is_gap(d, r->offset))
		return refuse_zip(r, "comes after bytes that belong to no entry", e);
	if (r->offset > d->end.directory || d->end.directory - r->offset < LOCAL)
		return refuse_zip(r, "lies outside of the archive", e);
	uint64_t left = d->end.directory - r->offset - LOCAL;
	/* Most have no more behind the name than this. */
	size_t likely = r->name_length + 64 < left ? r->name_length + 64 : (size_t)left;
	if (zip_get(d->fd, r->offset, p, LOCAL + likely, e) < 0)
		return -1;
	size_t name = (size_t)zip_number(p + 26, 2), extra = (size_t)zip_number(p + 28, 2);
	if (memcmp(p, "PK\3\4", 4) != 0 || name + extra > left || r->packed > left - name - extra)
		return refuse_zip(r, "lies outside of the archive", e);
	if (name + extra > likely &&
	    zip_get(d->fd, r->offset + LOCAL, p + LOCAL, name + extra, e) < 0)
		return -1;
	*l = (struct zip_record){.flags = (unsigned)zip_number(p + 6, 2),
				 .method = (unsigned)zip_number(p + 8, 2),
				 .crc = zip_number(p + 14, 4),
				 .packed = zip_number(p + 18, 4),
				 .unpacked = zip_number(p + 22, 4),
				 .name = p + LOCAL,
				 .name_length = name,
				 .extra = p + LOCAL + name,
				 .extra_length = extra};
	r->content = r->offset + LOCAL + name + extra;
	r->extra = l->extra;
	r->extra_length = extra;
	d->end_of_previous = r->content + r->packed;
	d->sizes_behind = (l->flags & SIZES_BEHIND) != 0;
	return 0;
}

static int
check_entry(struct zip_directory *d, struct zip_record *r, struct err *e)
{
	struct zip_record l = no_record;

	if (r->name_length > NAME_LENGTH)
		return refuse_zip(r, "has a path that is too long", e);
	if (memchr(r->name, '\0', r->name_length) != NULL)
		return refuse_zip(r, "has a NUL in its name", e);
	if (r->type == '?')
		return refuse_zip(r, "is neither a file nor a directory nor a link", e);
	if ((r->flags & ENCRYPTED) != 0)
		return refuse_zip(r, "is encrypted", e);
	if (r->method != STORED && r->method != DEFLATED)
		return refuse_zip(r, "is neither stored nor deflated", e);
	if (!take_large(r))
		return refuse_zip(r, "has no size", e);
	if (read_local(d, r, &l, e) < 0)
		return -1;
	if ((l.flags & ENCRYPTED) != 0)
		return refuse_zip(r, "is encrypted", e);
	bool sized = (l.flags & SIZES_BEHIND) == 0;
	if (sized && !take_large(&l))
		return refuse_zip(r, "has no size", e);
	if (l.name_length != r->name_length || memcmp(l.name, r->name, r->name_length) != 0 ||
	    l.method != r->method || ((l.flags ^ r->flags) & UTF8) != 0 ||
	    (sized && (l.crc != r->crc || l.packed != r->packed || l.unpacked != r->unpacked)))
		return refuse_zip(r, "is described in two ways", e);
	return 0;
}

int
zip_directory_next(struct zip_directory *d, struct zip_record *r, struct err *e)
{
	if (d->at == d->end.end) {
		uint64_t modulus = d->end.modulus;
		if ((modulus != 0 ? d->count % modulus : d->count) != d->end.count)
			return err_set(e, ERR_WORKSPACE_INVALID,
				       "the ZIP archive has more or fewer entries than it says");
		return d->count > 0 && is_gap(d, d->end.directory) ? 0 : zip_damaged(e);
	}
	if (next(d, r, e) < 0)
		return -1;
	if (d->count++ == d->max) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "the archive has more than %llu entries",
			(unsigned long long)d->max);
		return err_hint(e, "raise AWCP_MAX_ENTRIES if you want it");
	}
	return check_entry(d, r, e) < 0 ? -1 : 1;
}

struct zip_directory *
zip_directory_open(int fd, uint64_t size, uint64_t max, struct err *e)
{
	struct zip_directory *d = calloc(1, sizeof *d);

	if (d == NULL || (d->central = malloc(WINDOW)) == NULL ||
	    (d->local = malloc(WINDOW)) == NULL) {
		err_memory(e);
		goto err;
	}
	d->fd = fd;
	d->max = max;
	if (zip_end_find(fd, size, &d->end, e) < 0)
		goto err;
	d->at = d->end.directory;
	return d;
err:
	zip_directory_close(d);
	return NULL;
}

void
zip_directory_close(struct zip_directory *d)
{
	if (d == NULL)
		return;
	free(d->central);
	free(d->local);
	free(d);
}
