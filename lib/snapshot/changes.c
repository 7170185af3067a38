/*
 * snapshot_look - what a snapshot changes, shown without taking it.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tree/compare.h"
#include "base/file.h"
#include "snapshot/snapshot.h"
#include "delegation/members.h"

int
snapshot_open_part(const struct record *r, const char *snap, const char *name, struct err *e)
{
	char path[ID_MAX + 64];
	if (!id_valid(snap))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", snap);
	snprintf(path, sizeof path, "snapshots/%s/%s", snap, name);
	int fd = file_open_beneath(r->dirfd, path, O_RDONLY, 0, e);
	if (fd < 0 && errno == ENOENT) {
		err_set(e, ERR_NOT_FOUND, "the files of snapshot %s are gone", snap);
		err_hint(e, "they are removed when it is discarded");
	}
	return fd;
}

static int
compare_all(struct compare *c, bool fidelity, snapshot_each *each, void *arg, struct err *e)
{
	const struct entry *b, *t;
	struct entry kept;
	int n;
	while ((n = compare_next(c, &b, &t, e)) > 0) {
		unsigned delta = compare_delta(b, t, fidelity, false);
		if (!delta)
			continue;
		if (!fidelity && b && t && b->type == t->type) {
			kept = *t;
			kept.mode = b->mode;
			t = &kept;
		}
		struct snapshot_change change = {
		    .kind = delta & COMPARE_ADDED     ? 'A'
			    : delta & COMPARE_DELETED ? 'D'
			    : delta & COMPARE_TYPE    ? 'T'
			    : delta & COMPARE_CONTENT ? 'M'
						      : 'm',
		    .path = b ? b->path : t->path,
		    .before = b,
		    .after = t,
		};
		if (each(arg, &change, e))
			return -1;
	}
	return n;
}

int
snapshot_changes(const struct record *r, const char *snap, snapshot_each *each, void *arg,
		 struct err *e)
{
	struct resource *resources;
	size_t count;
	int status = -1, base = -1, theirs = -1;
	if (snapshot_resources(r->json, &resources, &count, e))
		return -1;
	theirs = snapshot_open_part(r, snap, "manifest", e);
	if (theirs >= 0)
		base = file_open_beneath(r->dirfd, "base.manifest", O_RDONLY, 0, e);
	struct compare *c = base < 0 ? NULL : compare_open(base, theirs, resources, count, e);
	if (c)
		status = compare_all(c, delegation_fidelity(r->json), each, arg, e);
	compare_close(c);
	file_close(base);
	file_close(theirs);
	snapshot_resources_free(resources, count);
	return status;
}
