#include "base/pathset.h"

#include <stdlib.h>

#include "base/array.h"

/* FNV-1a, then mixed so that all bits depend on all. */
uint64_t
pathset_hash(const char *path)
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
	uint64_t *hashes = array_grow(s->hashes, s->count + 1, &s->cap, sizeof *hashes, e);

	if (hashes == NULL)
		return -1;
	s->hashes = hashes;
	s->hashes[s->count++] = pathset_hash(path);
	s->sorted = false;
	return 0;
}

static int
by_hash(const void *a, const void *b)
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
		qsort(s->hashes, s->count, sizeof *s->hashes, by_hash);
	s->sorted = true;
	uint64_t h = pathset_hash(path);
	return bsearch(&h, s->hashes, s->count, sizeof h, by_hash);
}

void
pathset_free(struct pathset *s)
{
	free(s->hashes);
	*s = (struct pathset){0};
}
