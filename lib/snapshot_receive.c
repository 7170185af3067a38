/*
 * snapshot_receive - a snapshot arrives.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "file.h"
#include "jsonx.h"
#include "manifest.h"
#include "snapshot.h"
#include "unpack.h"

bool
snapshot_held(int dirfd, const char *id)
{
	char path[ID_MAX + 32];
	if (!id_valid(id))
		return false;
	snprintf(path, sizeof path, "snapshots/%s/manifest", id);
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
let_go(struct snapshot_incoming *in)
{
	file_close(in->fd);
	file_close(in->dirfd);
	file_close(in->parentfd);
	in->fd = in->dirfd = in->parentfd = -1;
}

int
snapshot_receive(int dirfd, const char *id, struct snapshot_incoming *in, struct err *e)
{
	char x[ID_MAX + 1];
	*in = (struct snapshot_incoming){.fd = -1, .parentfd = -1, .dirfd = -1};
	if (!id_valid(id))
		return err_set(e, ERR_BAD_MESSAGE, "not a snapshot id: %.64s", id);
	snprintf(in->id, sizeof in->id, "%s", id);
	if (id_make("", 8, x, e) || file_make_dirs(dirfd, "snapshots", e))
		return -1;
	snprintf(in->part, sizeof in->part, "%s.%.8s.part", id, x);
	in->parentfd = file_open_dir(dirfd, "snapshots", e);
	if (in->parentfd < 0)
		return -1;
	if (mkdirat(in->parentfd, in->part, 0700)) {
		err_sys(e, "cannot create %s", in->part);
		goto err0;
	}
	in->dirfd = file_open_dir(in->parentfd, in->part, e);
	if (in->dirfd < 0)
		goto err1;
	in->fd = openat(in->dirfd, "data.zip", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in->fd < 0) {
		err_sys(e, "cannot create %s/data.zip", in->part);
		goto err1;
	}
	return 0;
err1:
	(void)file_remove_tree(in->parentfd, in->part, NULL);
err0:
	let_go(in);
	return -1;
}

void
snapshot_drop(struct snapshot_incoming *in)
{
	/* What cannot be removed now goes with the delegation. */
	if (in->parentfd >= 0 && in->part[0])
		(void)file_remove_tree(in->parentfd, in->part, NULL);
	let_go(in);
}

/* Check the archive and write its manifest. */
static int
list(struct snapshot_incoming *in, const struct resource *resources, size_t count,
     struct unpack_totals *totals, struct err *e)
{
	struct unpack_limits limits;
	int status = -1;
	const char **tops = calloc(count + 1, sizeof *tops);
	if (!tops)
		return err_memory(e);
	for (size_t i = 0; i < count; i++)
		tops[i] = resources[i].name;
	int fd = openat(in->dirfd, "manifest", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		err_sys(e, "cannot create %s/manifest", in->part);
	else if (unpack_limits(&limits, e) == 0) {
		limits.tops = tops;
		status = unpack(in->fd, -1, &limits, NULL, NULL, fd, totals, e);
		if (status == 0 && (fsync(fd) || fsync(in->fd) || fsync(in->dirfd)))
			status = err_sys(e, "cannot write %s", in->part);
	}
	file_close(fd);
	free(tops);
	return status;
}

static int
count_change(void *arg, const struct snapshot_change *change, struct err *e)
{
	uint64_t *counts = arg;
	const struct entry *it = change->after ? change->after : change->before;
	(void)e;
	if (it->type != 'd')
		counts[change->kind == 'A' ? 0 : change->kind == 'D' ? 2 : 1]++;
	return 0;
}

/* Count against what was sent. */
static json_t *
measure(struct snapshot_incoming *in, const json_t *delegation, const struct unpack_totals *totals,
	struct err *e)
{
	uint64_t counts[3] = {0};
	struct record r = {.json = (json_t *)delegation, .lockfd = -1};
	r.dirfd = openat(in->parentfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.dirfd < 0) {
		err_sys(e, "cannot open the delegation's directory");
		return NULL;
	}
	int status = snapshot_changes(&r, in->id, count_change, counts, e);
	close(r.dirfd);
	if (status)
		return NULL;
	uint64_t all = counts[0] + counts[1] + counts[2];
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "fileCount",
			      (json_int_t)totals->files, "totalBytes", (json_int_t)totals->bytes,
			      "changedFiles", (json_int_t)all, "added", (json_int_t)counts[0],
			      "changed", (json_int_t)counts[1], "deleted", (json_int_t)counts[2]);
	if (!o)
		err_memory(e);
	return o;
}

int
snapshot_keep(struct snapshot_incoming *in, const json_t *delegation, json_t **metadata,
	      struct err *e)
{
	struct resource *resources;
	struct unpack_totals totals = {0};
	size_t count;
	int status = -1;
	*metadata = NULL;
	if (!id_valid(in->id)) {
		snapshot_drop(in);
		return err_set(e, ERR_BAD_MESSAGE, "not a snapshot id: %.64s", in->id);
	}
	if (snapshot_resources(delegation, &resources, &count, e)) {
		snapshot_drop(in);
		return -1;
	}
	if (list(in, resources, count, &totals, e)) {
		err_add(e, "snapshot %s", in->id);
		goto out;
	}
	/* Whoever has received it before had the same. */
	if (renameat(in->parentfd, in->part, in->parentfd, in->id) == 0)
		in->part[0] = '\0';
	else if (errno != ENOTEMPTY && errno != EEXIST) {
		err_sys(e, "cannot keep snapshot %s", in->id);
		goto out;
	}
	if (file_sync_dir(in->parentfd, e))
		goto out;
	*metadata = measure(in, delegation, &totals, e);
	status = *metadata ? 0 : -1;
out:
	snapshot_resources_free(resources, count);
	snapshot_drop(in);
	return status;
}
