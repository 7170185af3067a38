/*
 * manifest_read - reads a manifest.  See manifest.h.
 */
#include "tree/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/lines.h"

struct manifest_reader {
	struct lines lines;
	uint64_t count;
	bool begun, ended;
	struct entry entry;
	char path[TREE_PATH + 1], previous[TREE_PATH + 1], target[TREE_PATH + 1];
};

struct manifest_reader *
manifest_reader_new(int fd, struct err *e)
{
	struct manifest_reader *m = calloc(1, sizeof *m);
	struct stat st;

	if (m == NULL) {
		err_memory(e);
		return NULL;
	}
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot read the manifest");
		goto err;
	}
	if (lines_open(&m->lines, fd, 0, (uint64_t)st.st_size, e) < 0)
		goto err;
	return m;
err:
	manifest_reader_free(m);
	return NULL;
}

void
manifest_reader_free(struct manifest_reader *m)
{
	if (m == NULL)
		return;
	lines_close(&m->lines);
	free(m);
}

/* The field at *${p} up to the next space, which becomes a NUL; *${p} moves after it. */
static const char *
field(char **p)
{
	char *at = *p, *space = at == NULL ? NULL : strchr(at, ' ');

	if (space == NULL || space == at)
		return NULL;
	*space = '\0';
	*p = space + 1;
	return at;
}

static bool
is_number(const char *s, int base, bool negative)
{
	const char *digits = base == 8 ? "01234567" : "0123456789";

	if (s == NULL)
		return false;
	if (negative && *s == '-')
		s++;
	size_t n = strspn(s, digits);
	return n > 0 && n <= 20 && s[n] == '\0';
}

/* Parse the field at *${p}; numbers out of range are clipped by strtoull and found elsewhere. */
static int
unsigned_field(char **p, int base, uint64_t *value)
{
	const char *s = field(p);

	if (!is_number(s, base, false))
		return -1;
	errno = 0;
	*value = strtoull(s, NULL, base);
	return errno == 0 ? 0 : -1;
}

static int
signed_field(char **p, int64_t *value)
{
	const char *s = field(p);

	if (!is_number(s, 10, true))
		return -1;
	errno = 0;
	*value = strtoll(s, NULL, 10);
	return errno == 0 ? 0 : -1;
}

static int
type_field(char **p, struct entry *entry)
{
	const char *s = field(p);

	if (s == NULL || strchr("fdl", s[0]) == NULL || (s[1] != '\0' && strcmp(s + 1, "!") != 0))
		return -1;
	entry->type = s[0];
	entry->unsent = s[1] == '!' && s[0] == 'l';
	entry->in_base = s[1] == '!' && s[0] == 'f';
	if (s[1] == '!' && s[0] == 'd')
		return -1;
	return 0;
}

static int
hash_field(char **p, struct entry *entry)
{
	const char *s = field(p);

	entry->sha256[0] = '\0';
	if (s == NULL)
		return -1;
	if (strcmp(s, "-") == 0)
		return 0;
	if (strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
		return -1;
	memcpy(entry->sha256, s, 65);
	return 0;
}

unsigned
manifest_hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

int
manifest_unescape(char *out, const char *s, const char *end)
{
	size_t n = 0;

	for (; s < end; s++) {
		unsigned c = (unsigned char)*s;
		if (c == '\\') {
			if (end - s < 4 || s[1] != 'x' || strspn(s + 2, "0123456789abcdef") < 2)
				return -1;
			c = manifest_hex(s[2]) << 4 | manifest_hex(s[3]);
			s += 3;
		}
		if (c == '\0' || n == TREE_PATH)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return n > 0 ? 0 : -1;
}

static int
parse_entry(struct manifest_reader *m)
{
	char *p = m->lines.line;
	struct entry *entry = &m->entry;
	uint64_t mode;

	if (type_field(&p, entry) < 0 || unsigned_field(&p, 8, &mode) < 0 || mode > 07777 ||
	    unsigned_field(&p, 10, &entry->size) < 0 || signed_field(&p, &entry->mtime) < 0 ||
	    signed_field(&p, &entry->ctime) < 0 || unsigned_field(&p, 10, &entry->inode) < 0 ||
	    hash_field(&p, entry) < 0)
		return -1;
	entry->mode = (mode_t)mode;
	char *tab = strchr(p, '\t'), *end = p + strlen(p);
	if ((tab != NULL) != (entry->type == 'l'))
		return -1;
	entry->path = m->path;
	entry->target = tab != NULL ? m->target : NULL;
	if (manifest_unescape(m->path, p, tab != NULL ? tab : end) < 0)
		return -1;
	return tab != NULL ? manifest_unescape(m->target, tab + 1, end) : 0;
}

static int
at_end(struct manifest_reader *m, struct err *e)
{
	char *p;

	errno = 0;
	uint64_t count = strtoull(m->lines.line + 4, &p, 10);
	if (errno != 0 || p == m->lines.line + 4 || *p != '\0' || count != m->count)
		return err_set(e, ERR_BAD_DATA, "the manifest's end does not fit");
	if (lines_next(&m->lines, e) < 0)
		return -1;
	if (m->lines.line != NULL)
		return err_set(e, ERR_BAD_DATA, "trailing data after the manifest");
	m->ended = true;
	return 0;
}

int
manifest_next(struct manifest_reader *m, struct entry **entry, struct err *e)
{
	if (m->ended)
		return 0;
	if (lines_next(&m->lines, e) < 0)
		return err_add(e, "cannot read the manifest");
	if (!m->begun) {
		if (m->lines.line == NULL || strcmp(m->lines.line, "awcp-manifest 1") != 0)
			return err_set(e, ERR_BAD_DATA, "this is not a manifest");
		m->begun = true;
		return manifest_next(m, entry, e);
	}
	if (m->lines.line == NULL)
		return err_set(e, ERR_BAD_DATA, "the manifest is torn");
	if (strncmp(m->lines.line, "end ", 4) == 0)
		return at_end(m, e);
	memcpy(m->previous, m->path, sizeof m->previous);
	if (parse_entry(m) < 0)
		return err_set(e, ERR_BAD_DATA, "line %llu of the manifest cannot be understood",
			       (unsigned long long)m->count + 2);
	if (m->count > 0 && tree_order(m->previous, m->path) >= 0)
		return err_set(e, ERR_BAD_DATA, "the manifest is out of order at %s", m->path);
	m->count++;
	*entry = &m->entry;
	return 1;
}
