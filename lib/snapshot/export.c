/*
 * snapshot/export - a snapshot as an archive for others.  See snapshot.h.
 *
 * The base's archive and the manifest are in the order of a walk, so they are read side by side.
 * What is not in the base comes after it.
 */
#include <stdlib.h>

#include "delegation/delegation.h"
#include "tree/manifest.h"
#include "archive/repack.h"
#include "snapshot/private.h"

struct export
{
	struct repack repack; /* comes first, for repack_piece and repack_end */
	struct manifest_reader *manifest;
	struct entry *head; /* the next entry that was not dealt with; NULL at the end */
};

static int
advance(struct export *x, struct err *e)
{
	int n = manifest_next(x->manifest, &x->head, e);

	if (n == 0)
		x->head = NULL;
	return n < 0 ? -1 : 0;
}

/* Write what is not a file, up to the entry at ${path} (NULL: to the end). */
static int
write_up_to(struct export *x, const char *path, struct err *e)
{
	while (x->head && (path == NULL || tree_order(x->head->path, path) < 0)) {
		if (x->head->in_base)
			return err_set(e, ERR_BAD_DATA, BASE_ARCHIVE " lacks %s", x->head->path);
		if (x->head->type != 'f' && writer_begin(x->repack.to, x->head, NULL, 0, e) < 0)
			return -1;
		if (advance(x, e) < 0)
			return -1;
	}
	return 0;
}

static int
begin_base(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct export *x = arg;

	if (write_up_to(x, entry->path, e) < 0)
		return -1;
	if (x->head == NULL || !x->head->in_base || tree_order(x->head->path, entry->path) != 0)
		return 0;
	int status = repack_begin(&x->repack, x->head, size, e);
	return status < 0 || advance(x, e) < 0 ? -1 : status;
}

static int
begin_data(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct export *x = arg;

	return repack_begin(&x->repack, entry, size, e);
}

static int
write_all(struct export *x, const struct tree *came, struct err *e)
{
	const struct tree base = {.manifestfd = -1, .archivefd = came->base->archivefd};
	const struct tree data = {.manifestfd = -1, .archivefd = came->archivefd};
	struct unpack_visitor v = {begin_base, repack_piece, repack_end, x};
	struct unpack_totals totals;
	uint64_t bytes;

	writer_compress(x->repack.to, true);
	if (advance(x, e) < 0 || unpack_visit(&base, NULL, &v, -1, &totals, e) < 0 ||
	    write_up_to(x, NULL, e) < 0)
		return -1;
	v.begin = begin_data;
	if (unpack_visit(&data, NULL, &v, -1, &totals, e) < 0)
		return -1;
	return writer_finish(x->repack.to, &bytes, e);
}

int
snapshot_export(const struct record *r, const char *snap, int fd, enum pack_format format,
		struct err *e)
{
	struct snapshot_tree trees;
	int status = -1;

	struct export *x = calloc(1, sizeof *x);
	if (x == NULL)
		return err_memory(e);
	if (snapshot_tree_open(&trees, r, snap, e) < 0)
		goto out;
	x->manifest = manifest_reader_new(trees.came.manifestfd, e);
	if (x->manifest == NULL)
		goto out;
	x->repack.to = writer_new(fd, format, e);
	if (x->repack.to == NULL)
		goto out;
	status = write_all(x, &trees.came, e);
out:
	writer_free(x->repack.to);
	manifest_reader_free(x->manifest);
	snapshot_tree_close(&trees);
	free(x);
	return status;
}
