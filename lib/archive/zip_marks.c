/*
 * zip_marks - which headers of a ZIP claim that a name is UTF-8.  See zip_marks.h.
 */
#include "archive/zip_marks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "tree/tree.h"

/* Fixed parts of the records (APPNOTE.TXT 4.3.12, 4.3.14 to 4.3.16). */
#define CENTRAL 46
#define END 22
#define LOCATOR 20
#define END64 56

#define TAIL (16 * 1024) /* where the end record is looked for */
#define LARGE 0xffffffff /* a number that the ZIP64 field has (4.5.3) */
#define UTF8_AT 7        /* in a header before content, the byte with the mark */
#define UTF8_BIT 0x08    /* in that */
#define STORED 0         /* methods (4.4.5) that need little memory */
#define DEFLATED 8
#define UNIX 3 /* systems (4.4.2) with modes */
#define DARWIN 19

struct directory {
	int fd;
	uint64_t next, end;
	unsigned char record[CENTRAL + 3 * 65535];
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
read_at(int fd, uint64_t at, unsigned char *p, size_t n, struct err *e)
{
	ssize_t got = at > INT64_MAX ? 0 : pread(fd, p, n, (off_t)at);

	if (got < 0)
		return err_sys(e, "cannot read the archive");
	return (size_t)got == n ? 0 : damaged(e);
}

/* Find the directory.  The last end record must end the file. */
static int
find_directory(struct directory *d, uint64_t size, struct err *e)
{
	unsigned char *tail = d->record, large[END64];
	size_t n = size < TAIL ? (size_t)size : TAIL, i;

	if (n < END)
		return damaged(e);
	if (read_at(d->fd, size - n, tail, n, e) < 0)
		return -1;
	for (i = n - END; i > 0 && memcmp(tail + i, "PK\5\6", 4) != 0;)
		i--;
	if (memcmp(tail + i, "PK\5\6", 4) != 0 || i + END + number(tail + i + 20, 2) != n)
		return damaged(e);
	d->next = number(tail + i + 16, 4);
	d->end = size - n + i;
	if (i >= LOCATOR && memcmp(tail + i - LOCATOR, "PK\6\7", 4) == 0) {
		d->end = number(tail + i - LOCATOR + 8, 8);
		if (read_at(d->fd, d->end, large, sizeof large, e) < 0)
			return -1;
		d->next = number(large + 48, 8);
		if (memcmp(large, "PK\6\6", 4) != 0)
			return damaged(e);
	}
	return d->next < d->end ? 0 : damaged(e);
}

/* Where the header before the content lies: what does not fit into 32 bits is in the ZIP64 field,
 * behind those of the sizes that do not either. */
static uint64_t
header_of(const unsigned char *record, const unsigned char *extra, size_t n)
{
	const unsigned char *end = extra + n;
	uint64_t offset = number(record + 42, 4);
	size_t before =
	    8 * (size_t)((number(record + 24, 4) == LARGE) + (number(record + 20, 4) == LARGE));

	for (; offset == LARGE && end - extra >= 4; extra += 4 + number(extra + 2, 2))
		if (number(extra, 2) == 1 && (size_t)(end - extra) >= 4 + before + 8)
			return number(extra + 4 + before, 8);
	return offset;
}

/* What libarchive would take for something else, or needs much memory for. */
static int
check_record(const unsigned char *p, size_t name, struct err *e)
{
	uint64_t method = number(p + 10, 2), format = number(p + 40, 2) & S_IFMT;
	bool on_unix = p[5] == UNIX || p[5] == DARWIN;
	const char *why = NULL;

	if (method != STORED && method != DEFLATED)
		why = "is neither stored nor deflated";
	else if (memchr(p + CENTRAL, '\0', name) != NULL)
		why = "has a NUL in its name";
	else if (on_unix && format != 0 && tree_type((mode_t)format) == '?')
		why = "is neither a file nor a directory nor a link";
	if (why == NULL)
		return 0;
	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %.*s %s",
		       (int)(name < 256 ? name : 256), (const char *)p + CENTRAL, why);
}

/* Read the next record, and note where it leads if its name has the mark. */
static int
take_record(struct zip_marks *m, struct directory *d, struct err *e)
{
	unsigned char *p = d->record;
	uint64_t left = d->end - d->next;

	if (left < CENTRAL)
		return damaged(e);
	if (read_at(d->fd, d->next, p, CENTRAL, e) < 0)
		return -1;
	size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2);
	size_t length = CENTRAL + name + extra + (size_t)number(p + 32, 2);
	if (memcmp(p, "PK\1\2", 4) != 0 || length > left)
		return damaged(e);
	if (read_at(d->fd, d->next + CENTRAL, p + CENTRAL, name + extra, e) < 0)
		return -1;
	d->next += length;
	if (check_record(p, name, e) < 0)
		return -1;
	uint64_t *at = array_grow(m->at, m->count + 1, &m->cap, sizeof *at, e);
	if (at == NULL)
		return -1;
	m->at = at;
	/* The header has a mark of its own: that counts. */
	m->at[m->count++] = header_of(p, p + CENTRAL + name, extra) + UTF8_AT;
	return 0;
}

static int
by_place(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int
zip_marks_find(struct zip_marks *m, int fd, uint64_t size, struct err *e)
{
	int status = -1;
	struct directory *d = malloc(sizeof *d);

	if (d == NULL)
		return err_memory(e);
	d->fd = fd;
	d->next = d->end = 0;
	if (find_directory(d, size, e) < 0)
		goto out;
	while (d->next < d->end) {
		if (m->count == ZIP_ENTRIES) {
			err_set(e, ERR_WORKSPACE_TOO_LARGE, "the archive has more than %d entries",
				ZIP_ENTRIES);
			err_hint(e, "make it a tar: a ZIP of so many needs too much memory");
			goto out;
		}
		if (take_record(m, d, e) < 0)
			goto out;
	}
	qsort(m->at, m->count, sizeof *m->at, by_place);
	/* libarchive would take the first, and say nothing. */
	for (size_t i = 1; i < m->count; i++)
		if (m->at[i] == m->at[i - 1]) {
			err_set(e, ERR_WORKSPACE_INVALID,
				"two entries of the archive have one content");
			goto out;
		}
	status = 0;
out:
	free(d);
	return status;
}

void
zip_marks_clear(const struct zip_marks *m, uint64_t at, char *p, size_t n)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->at[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < m->count && m->at[low] - at < n; low++)
		p[m->at[low] - at] &= ~UTF8_BIT;
}

void
zip_marks_free(struct zip_marks *m)
{
	free(m->at);
}
