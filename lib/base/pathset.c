/*
 * pathset - many paths in little memory.  See pathset.h.
 */
#include <stdlib.h>

#include "base/pathset.h"

/* FNV-1a, then mixed so that all bits depend on all. */
static uint64_t
hash(const char *path)
{
	uint64_t h = 14695981039346656037u;
	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211u;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	return h ^ h >> 33;
}

int
pathset_add(struct pathset *s, const char *path, struct err *e)
{
	if (s->count == s->room) {
		size_t room = s->room + s->room / 2 + 64;
		uint64_t *hashes = realloc(s->hashes, room * sizeof *hashes);
		if (!hashes)
			return err_memory(e);
		s->hashes = hashes;
		s->room = room;
	}
	s->hashes[s->count++] = hash(path);
	s->sorted = false;
	return 0;
}

static int
order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

bool
pathset_has(struct pathset *s, const char *path)
{
	if (s->count == 0)
		return false;
	if (!s->sorted)
		qsort(s->hashes, s->count, sizeof *s->hashes, order);
	s->sorted = true;
	uint64_t h = hash(path);
	return bsearch(&h, s->hashes, s->count, sizeof h, order);
}

void
pathset_free(struct pathset *s)
{
	free(s->hashes);
	*s = (struct pathset){0};
}
