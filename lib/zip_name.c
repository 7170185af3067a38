#include "zip_name.h"

#include <string.h>
#include <unistd.h>

#define HEADER 30 /* bytes of a local header before the name (APPNOTE.TXT 4.3.7) */
#define WINDOW (HEADER + 2 * TREE_PATH + 1024)
#define FLAG_UTF8 0x0800

static unsigned
little16(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static bool
copy(char out[TREE_PATH + 1], const unsigned char *p, size_t n)
{
	if (n > TREE_PATH || memchr(p, '\0', n) != NULL)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

/* Take the names from the header at ${p} if it ends at ${end}, or before it for a link. */
static bool
take(const unsigned char *p, const unsigned char *end, bool is_link, struct zip_name *name)
{
	size_t length = little16(p + 26), extra = little16(p + 28), room = (size_t)(end - p);

	if (HEADER + length + extra > room || (!is_link && HEADER + length + extra != room) ||
	    (little16(p + 6) & FLAG_UTF8) == 0 || !copy(name->path, p + HEADER, length))
		return false;
	name->target[0] = '\0';
	const unsigned char *data = p + HEADER + length + extra;
	return !is_link || little16(p + 8) != 0 || copy(name->target, data, (size_t)(end - data));
}

bool
zip_name_read(int fd, uint64_t at, bool is_link, struct zip_name *name)
{
	unsigned char window[WINDOW];
	size_t n = at < WINDOW ? (size_t)at : WINDOW;

	if (n < HEADER || pread(fd, window, n, (off_t)(at - n)) != (ssize_t)n)
		return false;
	for (const unsigned char *p = window + n - HEADER; p >= window; p--)
		if (memcmp(p, "PK\3\4", 4) == 0)
			return take(p, window + n, is_link, name);
	return false;
}
