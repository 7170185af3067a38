/*
 * snapshot_look - what a snapshot changes, shown without taking it.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "convert.h"
#include "file.h"
#include "home.h"
#include "pathset.h"
#include "snapshot.h"
#include "unpack.h"

/* Open the file ${name} of snapshot ${snap}. */
static int
open_part(const struct record *r, const char *snap, const char *name, struct err *e)
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
	int n;
	while ((n = compare_next(c, &b, &t, e)) > 0) {
		unsigned delta = compare_delta(b, t, fidelity);
		if (!delta)
			continue;
		struct snapshot_change change = {
		    .kind = delta & COMPARE_ADDED     ? 'A'
			    : delta & COMPARE_DELETED ? 'D'
			    : delta & COMPARE_TYPE    ? 'T'
						      : 'M',
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
	theirs = open_part(r, snap, "manifest", e);
	if (theirs >= 0)
		base = file_open_beneath(r->dirfd, "base.manifest", O_RDONLY, 0, e);
	struct compare *c = base < 0 ? NULL : compare_open(base, theirs, resources, count, e);
	if (c)
		status = compare_all(c, json_is_true(json_object_get(r->json, "fidelity")), each,
				     arg, e);
	compare_close(c);
	file_close(base);
	file_close(theirs);
	snapshot_resources_free(resources, count);
	return status;
}

int
snapshot_export(const struct record *r, const char *snap, int fd, enum pack_format format,
		struct err *e)
{
	char magic[2] = {0};
	int in = open_part(r, snap, "data.zip", e);
	if (in < 0)
		return -1;
	bool is_zip = pread(in, magic, 2, 0) == 2 && memcmp(magic, "PK", 2) == 0;
	int status =
	    format == PACK_ZIP && is_zip ? file_copy(in, fd, e) : convert(in, fd, format, e);
	close(in);
	return status;
}

/* What is to be unpacked to be compared. */
struct extraction {
	struct pathset changed;
	const char *const *paths;
	size_t count;
	size_t skip; /* bytes of the only resource's name and its slash, or 0 */
	bool fidelity;
	int treefd[2]; /* of a/ and b/ */
};

/* Is ${path} the asked for one, or in it? */
static bool
is_in(const char *path, const char *asked)
{
	while (strncmp(asked, "./", 2) == 0)
		asked += 2;
	size_t n = strlen(asked);
	while (n > 0 && asked[n - 1] == '/')
		n--;
	if (n == 0 || (n == 1 && *asked == '.'))
		return true;
	return strncmp(path, asked, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool
is_asked_for(const struct extraction *x, const char *path)
{
	for (size_t i = 0; i < x->count; i++)
		if (is_in(path, x->paths[i]) ||
		    (strlen(path) >= x->skip && is_in(path + x->skip, x->paths[i])))
			return true;
	return x->count == 0;
}

static int
collect(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct extraction *x = arg;
	return is_asked_for(x, change->path) ? pathset_add(&x->changed, change->path, e) : 0;
}

static bool
is_changed(void *arg, const char *path)
{
	struct extraction *x = arg;
	return pathset_has(&x->changed, path);
}

static bool
is_script(int dirfd, const char *path)
{
	char head[2];
	int fd = file_open_beneath(dirfd, path, O_RDONLY, 0, NULL);
	bool yes = fd >= 0 && pread(fd, head, 2, 0) == 2 && memcmp(head, "#!", 2) == 0;
	file_close(fd);
	return yes;
}

/* Give a file the mode that it has, or would have, here: what a peer does not keep is no change. */
static int
set_modes(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct extraction *x = arg;
	const struct entry *sides[] = {change->before, change->after};
	if (!is_asked_for(x, change->path))
		return 0;
	for (int i = 0; i < 2; i++) {
		const char *name = change->path + x->skip;
		if (!sides[i] || sides[i]->type != 'f')
			continue;
		mode_t mode = sides[i]->mode & 0777;
		if (i == 1 && !x->fidelity) {
			bool had_one = sides[0] && sides[0]->type == 'f';
			mode = had_one                         ? sides[0]->mode & 0777
			       : is_script(x->treefd[1], name) ? 0755
							       : 0644;
		}
		const char *base;
		int parent = file_parent_beneath(x->treefd[i], name, &base, e);
		if (parent < 0)
			return -1;
		int status = fchmodat(parent, base, mode | 0600, 0);
		close(parent);
		if (status && errno != ENOENT)
			return err_sys(e, "%s", change->path);
	}
	return 0;
}

/* Unpack one side below ${dirfd} as ${name}. */
static int
unpack_side(struct extraction *x, int archive, int dirfd, const char *name, const char *resource,
	    struct err *e)
{
	struct unpack_limits limits;
	struct unpack_totals totals;
	char whole[300];
	if (unpack_limits(&limits, e) || file_make_dirs(dirfd, name, e))
		return -1;
	int fd = file_open_dir(dirfd, name, e);
	if (fd < 0)
		return -1;
	int status = unpack(archive, fd, &limits, is_changed, x, -1, &totals, e);
	/* Without the resource's name: its folder takes the place of what it is in. */
	if (status == 0 && x->skip > 0) {
		snprintf(whole, sizeof whole, "%s.whole", name);
		if (mkdirat(fd, resource, 0700) && errno != EEXIST)
			status = err_sys(e, "cannot create %s", resource);
		else if (renameat(dirfd, name, dirfd, whole))
			status = err_sys(e, "cannot rename %s", name);
		else if (renameat(fd, resource, dirfd, name))
			status = err_sys(e, "cannot rename %s", resource);
	}
	close(fd);
	return status;
}

static int
extract(const struct record *r, const char *snap, struct extraction *x, const char *resource,
	int dirfd, struct err *e)
{
	int status = -1;
	int base = file_open_beneath(r->dirfd, "base.archive", O_RDONLY, 0, e);
	int theirs = base < 0 ? -1 : open_part(r, snap, "data.zip", e);
	if (theirs >= 0 && unpack_side(x, base, dirfd, "a", resource, e) == 0 &&
	    unpack_side(x, theirs, dirfd, "b", resource, e) == 0) {
		x->treefd[0] = file_open_dir(dirfd, "a", e);
		x->treefd[1] = x->treefd[0] < 0 ? -1 : file_open_dir(dirfd, "b", e);
		if (x->treefd[1] >= 0)
			status = snapshot_changes(r, snap, set_modes, x, e);
		file_close(x->treefd[0]);
		file_close(x->treefd[1]);
	}
	file_close(base);
	file_close(theirs);
	return status;
}

int
snapshot_extract(const struct record *r, const char *snap, const char *const *paths, size_t count,
		 struct snapshot_trees *t, struct err *e)
{
	struct extraction x = {.paths = paths, .count = count, .treefd = {-1, -1}};
	struct resource *resources;
	size_t n;
	int status = -1, dirfd = -1;
	*t = (struct snapshot_trees){0};
	if (snapshot_resources(r->json, &resources, &n, e))
		return -1;
	x.fidelity = json_is_true(json_object_get(r->json, "fidelity"));
	x.skip = n == 1 ? strlen(resources[0].name) + 1 : 0;
	int tmp = home_dir("tmp", e);
	if (tmp < 0 || id_make("diff-", 16, t->name, e) || file_make_dirs(tmp, t->name, e))
		goto out;
	if (snprintf(t->path, sizeof t->path, "%s/tmp/%s", home_path(), t->name) >=
	    (int)sizeof t->path) {
		err_set(e, ERR_CONFIG, "the path of the state directory is too long");
		goto out;
	}
	dirfd = file_open_dir(tmp, t->name, e);
	if (dirfd < 0 || snapshot_changes(r, snap, collect, &x, e))
		goto out;
	status = extract(r, snap, &x, n > 0 ? resources[0].name : "", dirfd, e);
out:
	file_close(dirfd);
	pathset_free(&x.changed);
	snapshot_resources_free(resources, n);
	if (status)
		snapshot_trees_remove(t);
	return status;
}

void
snapshot_trees_remove(struct snapshot_trees *t)
{
	int tmp = home_dir("tmp", NULL);
	/* What cannot be removed now goes with the rest of tmp/. */
	if (tmp >= 0 && t->name[0])
		(void)file_remove_tree(tmp, t->name, NULL);
	t->name[0] = '\0';
}
