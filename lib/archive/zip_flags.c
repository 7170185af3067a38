#include "archive/zip_flags.h"

#include <string.h>

#include "base/utf8.h"

#define MAGIC 4   /* bytes that tell what a header is */
#define UTF8 0x08 /* in the second byte of the flags */

static unsigned
read16(const char *p)
{
	return (unsigned)(unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8;
}

bool
zip_flags_needed(const char *name, size_t n)
{
	char text[TREE_PATH + 8];
	bool plain = true;

	for (size_t i = 0; i < n; i++)
		plain = plain && name[i] >= 0x20 && name[i] < 0x7f;
	if (plain || n >= sizeof text)
		return false;
	memcpy(text, name, n);
	text[n] = '\0';
	return utf8_valid(text);
}

/* Take up to ${n} bytes into the entry at hand; how many. */
static size_t
collect(struct zip_flags *z, const char *p, size_t n)
{
	size_t fits = z->wanted - z->used < n ? z->wanted - z->used : n;

	memcpy(z->entry + z->used, p, fits);
	z->used += fits;
	return fits;
}

/* As much of an entry as was wanted is here. */
static int
look_at_entry(struct zip_flags *z, int (*put)(void *arg, const void *p, size_t n), void *arg)
{
	if (z->wanted == MAGIC && memcmp(z->entry, "PK\1\2", MAGIC) == 0) {
		z->wanted = ZIP_CENTRAL;
		return 0;
	} else if (z->wanted == MAGIC) {
		z->directory = false; /* what follows is its end */
	} else if (z->wanted == ZIP_CENTRAL) {
		z->wanted += read16(z->entry + 28);
		z->rest = read16(z->entry + 30) + read16(z->entry + 32);
		if (z->wanted > ZIP_CENTRAL && z->wanted <= sizeof z->entry)
			return 0;
		z->rest += z->wanted - ZIP_CENTRAL; /* no name that we made */
	} else if (zip_flags_needed(z->entry + ZIP_CENTRAL, z->wanted - ZIP_CENTRAL)) {
		z->entry[9] = (char)(z->entry[9] | UTF8);
	}
	size_t n = z->used;
	z->used = 0;
	z->wanted = 0;
	return put(arg, z->entry, n);
}

static int
write_directory(struct zip_flags *z, const char *p, size_t n,
		int (*put)(void *arg, const void *p, size_t n), void *arg)
{
	while (n > 0 && z->directory) {
		size_t step = n < z->rest ? n : z->rest;
		if (z->wanted == 0 && step > 0) {
			if (put(arg, p, step) < 0)
				return -1;
			z->rest -= step;
		} else {
			if (z->wanted == 0)
				z->wanted = MAGIC;
			step = collect(z, p, n);
			if (z->used == z->wanted && look_at_entry(z, put, arg) < 0)
				return -1;
		}
		p += step;
		n -= step;
	}
	return n > 0 ? put(arg, p, n) : 0;
}

int
zip_flags_write(struct zip_flags *z, const char *p, size_t n,
		int (*put)(void *arg, const void *p, size_t n), void *arg)
{
	char head[ZIP_LOCAL];

	if (z->directory)
		return write_directory(z, p, n, put, arg);
	if (!z->local || n < sizeof head || memcmp(p, "PK\3\4", 4) != 0)
		return put(arg, p, n);
	z->local = false;
	memcpy(head, p, sizeof head);
	head[7] = (char)(head[7] | UTF8);
	if (put(arg, head, sizeof head) < 0)
		return -1;
	return n > sizeof head ? put(arg, p + sizeof head, n - sizeof head) : 0;
}
