/*
 * repack - a file's content on its way from one archive to another.  See repack.h.
 */
#include "archive/repack.h"

#include <string.h>

int
repack_begin(struct repack *r, const struct entry *as, uint64_t size, struct err *e)
{
	struct entry entry = *as;

	entry.size = size;
	strcpy(r->path, as->path);
	r->at = 0;
	r->size = size;
	return writer_begin(r->to, &entry, NULL, 0, e) < 0 ? -1 : 1;
}

static int
other_size(const struct repack *r, struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the archive's entry %.256s does not have the size in its header", r->path);
}

int
repack_piece(void *arg, const void *p, size_t n, uint64_t at, struct err *e)
{
	struct repack *r = arg;

	if (at > r->size || n > r->size - at)
		return other_size(r, e);
	if (writer_zeros(r->to, r->path, at - r->at, e) < 0)
		return -1;
	r->at = at + n;
	return writer_data(r->to, r->path, p, n, e);
}

int
repack_end(void *arg, const struct entry *entry, struct err *e)
{
	struct repack *r = arg;

	(void)entry;
	return r->at == r->size ? 0 : other_size(r, e);
}
