/*
 * snapshot/export - a snapshot as an archive for others.  See snapshot.h.
 *
 * The base's archive and what is taken are in the order of a walk, so they are read side by side.
 * What is not in the base comes after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/repack.h"
#include "delegation/delegation.h"
#include "snapshot/private.h"
#include "tree/compare.h"

struct export
{
	struct repack repack; /* comes first, for repack_piece and repack_end */
	struct compare *compare;
	bool more;
	struct entry head;        /* if there is more: the next entry that was not dealt with */
	struct pathset fresh;     /* files whose content is not the base's */
	char leaf[TREE_PATH + 1]; /* the last path that is no directory */
};

/* Go on to the next entry.  What is as it was sent because it is guarded may lie in a directory
 * that came back as something else: then it has no place. */
static int
advance(struct export *x, struct err *e)
{
	const struct entry *base, *entry;
	int n;

	while ((n = compare_next(x->compare, &base, &entry, e)) > 0)
		if (entry != NULL && (!*x->leaf || tree_below(entry->path, x->leaf) == NULL))
			break;
	x->more = n > 0;
	if (n <= 0)
		return n;
	x->head = *entry;
	x->head.in_base = entry->type == 'f' && (entry->in_base || entry == base);
	if (entry->type == 'd')
		return 0;
	(void)snprintf(x->leaf, sizeof x->leaf, "%s", entry->path);
	return entry->type == 'f' && !x->head.in_base ? pathset_add(&x->fresh, entry->path, e) : 0;
}

/* Write what is not a file, up to the entry at ${path} (NULL: to the end). */
static int
write_up_to(struct export *x, const char *path, struct err *e)
{
	while (x->more && (path == NULL || tree_order(x->head.path, path) < 0)) {
		if (x->head.in_base)
			return err_set(e, ERR_BAD_DATA, BASE_ARCHIVE " lacks %s", x->head.path);
		if (x->head.type != 'f' && writer_begin(x->repack.to, &x->head, NULL, 0, e) < 0)
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
	if (!x->more || !x->head.in_base || tree_order(x->head.path, entry->path) != 0)
		return 0;
	int status = repack_begin(&x->repack, &x->head, size, e);
	return status < 0 || advance(x, e) < 0 ? -1 : status;
}

static int
begin_data(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct export *x = arg;

	if (!pathset_has(&x->fresh, entry->path))
		return 0;
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

/* All that came back is exported, also what no apply would take. */
static void
take_all(struct resource *resources, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		resources[i].writable = true;
		filter_free(resources[i].filter);
		resources[i].filter = NULL;
	}
}

int
snapshot_export(const struct record *r, const char *snap, struct snapshot_exporting *how,
		struct err *e)
{
	struct snapshot_tree trees;
	struct resource *resources;
	const char *first;
	size_t count;
	int status = -1;

	struct export *x = calloc(1, sizeof *x);
	if (x == NULL)
		return err_memory(e);
	if (snapshot_resources(r->json, &resources, &count, e) < 0) {
		free(x);
		return -1;
	}
	take_all(resources, count);
	if (snapshot_tree_open(&trees, r, snap, e) < 0)
		goto out;
	x->compare =
	    compare_open(&trees.came, resources, count, how->guarded ? GUARD_ASK : GUARD_NONE, e);
	if (x->compare == NULL)
		goto out;
	x->repack.to = writer_new(how->fd, how->format, e);
	if (x->repack.to == NULL)
		goto out;
	status = write_all(x, &trees.came, e);
	how->withheld = compare_withheld(x->compare, &first);
	(void)snprintf(how->first, sizeof how->first, "%s", first != NULL ? first : "");
out:
	writer_free(x->repack.to);
	compare_close(x->compare);
	pathset_free(&x->fresh);
	snapshot_tree_close(&trees);
	snapshot_resources_free(resources, count);
	free(x);
	return status;
}
