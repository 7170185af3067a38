#include "zip_directory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree.h"
#include "zip_end.h"

/* Fixed parts of the records, and their bounds here (APPNOTE.TXT 4.3.7, 4.3.12). */
#define LOCAL 30
#define CENTRAL 46
#define NAME_LENGTH (TREE_PATH + 1) /* a directory's ends with a slash */
#define WINDOW (256 * 1024)         /* more than any record can have */

#define UNIX 3
#define DARWIN 19
#define ENCRYPTED 0x2041 /* bits: encrypted, strongly, with a hidden directory */
#define SIZES_BEHIND 0x0008
#define UTF8 0x0800

/* What both records say. */
struct record {
	unsigned system, type; /* of the central record: who wrote it, what it is */
	unsigned flags, method;
	uint64_t crc, packed, unpacked, offset;
	const unsigned char *name, *extra;
	size_t name_length, extra_length;
};

static const struct record no_record = {.name = (const unsigned char *)"",
					.extra = (const unsigned char *)""};

struct walk {
	int fd;
	struct zip_end end;
	uint64_t at;            /* the next record of the directory */
	uint64_t from;          /* where the window begins */
	size_t have;            /* bytes in it */
	uint64_t behind;        /* the content of the entry before ends here */
	bool sizes_behind;      /* and its sizes follow */
	unsigned char *central; /* the window, WINDOW bytes */
	unsigned char *local;   /* a header in front of content, WINDOW bytes */
};

static int
refuse(const struct record *r, const char *why, struct err *e)
{
	size_t n = r->name_length < 256 ? r->name_length : 256;

	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %.*s%s %s", (int)n,
		       (const char *)r->name, r->name_length > n ? "…" : "", why);
}

/* Replace what did not fit into 32 bits by what the ZIP64 field has (APPNOTE.TXT 4.5.3). */
static bool
take_large(struct record *r)
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

/* Move the window so that ${n} bytes at ${w}->at are in it, or what is left of the directory. */
static int
fill(struct walk *w, size_t n, struct err *e)
{
	uint64_t left = w->end.end - w->at;

	if (w->at >= w->from && w->at - w->from <= w->have && w->have - (w->at - w->from) >= n)
		return 0;
	w->from = w->at;
	w->have = left < WINDOW ? (size_t)left : WINDOW;
	return zip_get(w->fd, w->at, w->central, w->have, e);
}

/* The next record of the directory. */
static int
next(struct walk *w, struct record *r, struct err *e)
{
	if (w->end.end - w->at < CENTRAL)
		return zip_damaged(e);
	if (fill(w, CENTRAL, e) < 0)
		return -1;
	const unsigned char *p = w->central + (w->at - w->from);
	if (memcmp(p, "PK\1\2", 4) != 0)
		return zip_damaged(e);
	size_t name = (size_t)zip_number(p + 28, 2), extra = (size_t)zip_number(p + 30, 2);
	size_t length = CENTRAL + name + extra + (size_t)zip_number(p + 32, 2);
	if (length > w->end.end - w->at)
		return zip_damaged(e);
	if (fill(w, length, e) < 0)
		return -1;
	p = w->central + (w->at - w->from);
	*r = (struct record){.system = p[5],
			     .type = p[41] >> 4,
			     .flags = (unsigned)zip_number(p + 8, 2),
			     .method = (unsigned)zip_number(p + 10, 2),
			     .crc = zip_number(p + 16, 4),
			     .packed = zip_number(p + 20, 4),
			     .unpacked = zip_number(p + 24, 4),
			     .offset = zip_number(p + 42, 4),
			     .name = p + CENTRAL,
			     .name_length = name,
			     .extra = p + CENTRAL + name,
			     .extra_length = extra};
	w->at += length;
	return 0;
}

/* May something lie between the entry before and ${at}?  Its sizes, if it has them behind it. */
static bool
is_gap(const struct walk *w, uint64_t at)
{
	uint64_t gap = at - w->behind;

	return gap == 0 || (w->sizes_behind && gap >= 12 && gap <= 24 && gap % 4 == 0);
}

/* Files, directories and links are what a ZIP from Unix may hold; libarchive takes others for
 * files. */
static bool
is_known(unsigned system, unsigned type)
{
	return (system != UNIX && system != DARWIN) || type == 0 || type == S_IFREG >> 12 ||
	       type == S_IFDIR >> 12 || type == S_IFLNK >> 12;
}

/* Read the header that ${r} leads to: all of it, ${l}. */
static int
read_local(struct walk *w, const struct record *r, struct record *l, struct err *e)
{
	unsigned char *p = w->local;

	if (r->offset < w->behind)
		return refuse(r, "overlaps another, or is out of order", e);
	if (!is_gap(w, r->offset))
		return refuse(r, "comes behind bytes that belong to no entry", e);
	if (r->offset > w->end.directory || w->end.directory - r->offset < LOCAL)
		return refuse(r, "lies outside of the archive", e);
	if (zip_get(w->fd, r->offset, p, LOCAL, e) < 0)
		return -1;
	size_t name = (size_t)zip_number(p + 26, 2), extra = (size_t)zip_number(p + 28, 2);
	uint64_t room = w->end.directory - r->offset - LOCAL;
	if (memcmp(p, "PK\3\4", 4) != 0 || name + extra > room || r->packed > room - name - extra)
		return refuse(r, "lies outside of the archive", e);
	if (zip_get(w->fd, r->offset + LOCAL, p + LOCAL, name + extra, e) < 0)
		return -1;
	*l = (struct record){.flags = (unsigned)zip_number(p + 6, 2),
			     .method = (unsigned)zip_number(p + 8, 2),
			     .crc = zip_number(p + 14, 4),
			     .packed = zip_number(p + 18, 4),
			     .unpacked = zip_number(p + 22, 4),
			     .name = p + LOCAL,
			     .name_length = name,
			     .extra = p + LOCAL + name,
			     .extra_length = extra};
	w->behind = r->offset + LOCAL + name + extra + r->packed;
	w->sizes_behind = (l->flags & SIZES_BEHIND) != 0;
	return 0;
}

static int
check_entry(struct walk *w, struct record *r, struct err *e)
{
	struct record l = no_record;

	if (r->name_length > NAME_LENGTH)
		return refuse(r, "has a path that is too long", e);
	if (memchr(r->name, '\0', r->name_length) != NULL)
		return refuse(r, "has a NUL in its name", e);
	if (!is_known(r->system, r->type))
		return refuse(r, "is neither a file nor a directory nor a link", e);
	if (!take_large(r))
		return refuse(r, "has no size", e);
	if (read_local(w, r, &l, e) < 0)
		return -1;
	if (((r->flags | l.flags) & ENCRYPTED) != 0)
		return refuse(r, "is encrypted", e);
	bool sized = (l.flags & SIZES_BEHIND) == 0;
	if (sized && !take_large(&l))
		return refuse(r, "has no size", e);
	if (l.name_length != r->name_length || memcmp(l.name, r->name, r->name_length) != 0 ||
	    l.method != r->method || ((l.flags ^ r->flags) & UTF8) != 0 ||
	    (sized && (l.crc != r->crc || l.packed != r->packed || l.unpacked != r->unpacked)))
		return refuse(r, "is described in two ways", e);
	return 0;
}

static int
check_all(struct walk *w, uint64_t most, struct err *e)
{
	struct record r = no_record;
	uint64_t count;

	for (count = 0; w->at < w->end.end; count++) {
		if (next(w, &r, e) < 0)
			return -1;
		if (count == most) {
			(void)err_set(e, ERR_WORKSPACE_TOO_LARGE,
				      "the archive has more than %llu entries",
				      (unsigned long long)most);
			return err_hint(e, "raise AWCP_MAX_ENTRIES if you want it");
		}
		if (check_entry(w, &r, e) < 0)
			return -1;
	}
	if (w->end.modulus != 0 ? count % w->end.modulus != w->end.count : count != w->end.count)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "the ZIP archive has more or fewer entries than it says");
	/* libarchive would look for a directory elsewhere; nobody who means well needs that. */
	return count > 0 && is_gap(w, w->end.directory) ? 0 : zip_damaged(e);
}

int
zip_directory_check(int fd, uint64_t size, uint64_t most, struct err *e)
{
	struct walk w = {.fd = fd, .central = malloc(WINDOW), .local = malloc(WINDOW)};
	int status = -1;

	if (w.central == NULL || w.local == NULL) {
		(void)err_memory(e);
	} else if (zip_end_find(fd, size, &w.end, e) == 0) {
		w.at = w.end.directory;
		status = check_all(&w, most, e);
	}
	free(w.central);
	free(w.local);
	return status;
}
