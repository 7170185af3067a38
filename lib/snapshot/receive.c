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

#include "tree/compare.h"
#include "archive/delta.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "tree/manifest.h"
#include "archive/repack.h"
#include "snapshot/snapshot.h"
#include "delegation/members.h"

#define PART "incoming"

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
	*in = (struct snapshot_incoming){.fd = -1, .parentfd = -1, .dirfd = -1};
	if (!id_valid(id))
		return err_set(e, ERR_BAD_MESSAGE, "not a snapshot id: %.64s", id);
	snprintf(in->id, sizeof in->id, "%s", id);
	if (file_make_dirs(dirfd, "snapshots", e))
		return -1;
	in->parentfd = file_open_dir(dirfd, "snapshots", e);
	/* Only who holds follow.lock receives: what is there was left by one that was killed. */
	if (in->parentfd < 0 || file_remove_tree(in->parentfd, PART, e))
		goto err0;
	if (mkdirat(in->parentfd, PART, 0700)) {
		err_sys(e, "cannot create %s", PART);
		goto err0;
	}
	in->part = true;
	in->dirfd = file_open_dir(in->parentfd, PART, e);
	if (in->dirfd < 0)
		goto err1;
	in->fd = file_unnamed(in->dirfd, e);
	if (in->fd >= 0)
		return 0;
err1:
	(void)file_remove_tree(in->parentfd, PART, NULL);
err0:
	let_go(in);
	return -1;
}

void
snapshot_drop(struct snapshot_incoming *in)
{
	/* What cannot be removed now goes with the delegation. */
	if (in->parentfd >= 0 && in->part)
		(void)file_remove_tree(in->parentfd, PART, NULL);
	let_go(in);
}

/* What becomes of the archive that has arrived. */
struct keeping {
	const struct snapshot_incoming *in;
	struct unpack_limits limits;
	int basefd, gotfd, listfd, manifestfd, datafd;
	struct repack repack;
	struct pathset fresh; /* what of it is kept, if it holds everything */
	bool whole;
	struct delta delta;
};

static int
begin_file(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct keeping *k = arg;
	if (k->whole && !pathset_has(&k->fresh, entry->path))
		return 0;
	return repack_begin(&k->repack, entry, size, e);
}

static int
put_piece(void *arg, const void *p, size_t n, uint64_t at, struct err *e)
{
	struct keeping *k = arg;
	return repack_piece(&k->repack, p, n, at, e);
}

static int
end_file(void *arg, const struct entry *entry, struct err *e)
{
	struct keeping *k = arg;
	return repack_end(&k->repack, entry, e);
}

static int
put_link(void *arg, const struct entry *entry, struct err *e)
{
	struct keeping *k = arg;
	return writer_begin(k->repack.to, entry, NULL, 0, e);
}

/* Copy the files that are to be kept to data.tar.zst; the manifest of them all goes to gotfd. */
static int
keep_files(struct keeping *k, int gotfd, int listfd, struct err *e)
{
	const struct unpack_visitor v = {begin_file, put_piece, end_file, k};
	struct unpack_totals totals;
	return unpack_visit(k->in->fd, &k->limits, &v, gotfd, listfd, &totals, e);
}

/* Take an archive that holds everything: only when it is known are the files to keep. */
static int
keep_whole(struct keeping *k, struct err *e)
{
	struct unpack_totals totals;
	k->whole = true;
	if (unpack_visit(k->in->fd, &k->limits, NULL, k->gotfd, -1, &totals, e) ||
	    delta_mark(&k->delta, &k->fresh, e))
		return -1;
	return k->fresh.count > 0 ? keep_files(k, -1, -1, e) : 0;
}

/* Take one that holds what is new, and tells the rest. */
static int
keep_delta(struct keeping *k, struct err *e)
{
	k->listfd = file_unnamed(k->in->dirfd, e);
	if (k->listfd < 0 || keep_files(k, k->gotfd, k->listfd, e))
		return -1;
	return delta_check(&k->delta, k->listfd, e);
}

static int
open_new(const struct snapshot_incoming *in, const char *name, struct err *e)
{
	int fd = openat(in->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "cannot create %s/%s", PART, name) : fd;
}

static int
open_base(const struct snapshot_incoming *in, struct err *e)
{
	int fd = openat(in->parentfd, "../base.manifest", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open base.manifest") : fd;
}

static int
open_all(struct keeping *k, struct err *e)
{
	if (unpack_limits(&k->limits, e))
		return -1;
	k->basefd = open_base(k->in, e);
	k->gotfd = k->basefd < 0 ? -1 : file_unnamed(k->in->dirfd, e);
	k->manifestfd = k->gotfd < 0 ? -1 : open_new(k->in, "manifest", e);
	k->datafd = k->manifestfd < 0 ? -1 : open_new(k->in, "data.tar.zst", e);
	if (k->datafd < 0)
		return -1;
	k->delta =
	    (struct delta){&k->limits, k->basefd, k->gotfd, k->manifestfd, put_link, k, 0, 0};
	k->repack.to = writer_new(k->datafd, PACK_TAR_ZST, e);
	return k->repack.to ? 0 : -1;
}

/* Check the archive, write the manifest, and keep of it what the base has not. */
static int
settle(struct snapshot_incoming *in, const struct resource *resources, size_t count, bool delta,
       uint64_t totals[2], struct err *e)
{
	struct keeping *k = calloc(1, sizeof *k);
	const char **tops = calloc(count + 1, sizeof *tops);
	uint64_t bytes;
	int status = -1;
	if (!k || !tops) {
		err_memory(e);
		goto out;
	}
	*k = (struct keeping){in, {0}, -1, -1, -1, -1, -1, {0}, {0}, false, {0}};
	for (size_t i = 0; i < count; i++)
		tops[i] = resources[i].name;
	if (open_all(k, e))
		goto out;
	k->limits.tops = tops;
	if ((delta ? keep_delta(k, e) : keep_whole(k, e)) || writer_finish(k->repack.to, &bytes, e))
		goto out;
	totals[0] = k->delta.files;
	totals[1] = k->delta.bytes;
	status = fsync(k->manifestfd) || fsync(k->datafd) || fsync(in->dirfd)
		     ? err_sys(e, "cannot write %s", PART)
		     : 0;
out:
	if (k) {
		writer_free(k->repack.to);
		pathset_free(&k->fresh);
		file_close(k->basefd);
		file_close(k->gotfd);
		file_close(k->listfd);
		file_close(k->manifestfd);
		file_close(k->datafd);
	}
	free(tops);
	free(k);
	return status;
}

struct tally {
	uint64_t counts[3]; /* added, changed, deleted */
	json_t *names;      /* of the first of them */
};

static int
count_change(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct tally *t = arg;
	const struct entry *it = change->after ? change->after : change->before;
	(void)e;
	if (it->type == 'd')
		return 0;
	t->counts[change->kind == 'A' ? 0 : change->kind == 'D' ? 2 : 1]++;
	if (json_array_size(t->names) < MESSAGE_CHANGED)
		(void)jsonx_append(t->names, change->path); /* out of memory: the list is shorter */
	return 0;
}

/* Count against what was sent. */
static json_t *
measure(struct snapshot_incoming *in, const json_t *delegation, const uint64_t totals[2],
	struct err *e)
{
	struct tally t = {.names = json_array()};
	struct record r = {.json = (json_t *)delegation, .lockfd = -1};
	r.dirfd = openat(in->parentfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.dirfd < 0) {
		json_decref(t.names);
		err_sys(e, "cannot open the delegation's directory");
		return NULL;
	}
	int status = snapshot_changes(&r, in->id, count_change, &t, e);
	close(r.dirfd);
	if (status) {
		json_decref(t.names);
		return NULL;
	}
	json_t *o = json_pack("{s:I, s:I, s:o, s:I, s:I, s:I}", "fileCount", (json_int_t)totals[0],
			      "totalBytes", (json_int_t)totals[1], "changedFiles", t.names, "added",
			      (json_int_t)t.counts[0], "changed", (json_int_t)t.counts[1],
			      "deleted", (json_int_t)t.counts[2]);
	if (!o)
		err_memory(e);
	return o;
}

int
snapshot_keep(struct snapshot_incoming *in, const json_t *delegation, json_t **metadata,
	      struct err *e)
{
	struct resource *resources;
	uint64_t totals[2] = {0}; /* files, bytes */
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
	bool delta = delegation_delta(delegation);
	if (settle(in, resources, count, delta, totals, e)) {
		err_add(e, "snapshot %s", in->id);
		goto out;
	}
	/* Whoever has received it before had the same. */
	if (renameat(in->parentfd, PART, in->parentfd, in->id) == 0)
		in->part = false;
	else if (errno != ENOTEMPTY && errno != EEXIST) {
		err_sys(e, "cannot keep snapshot %s", in->id);
		goto out;
	}
	if (file_sync_dir(in->parentfd, e))
		goto out;
	*metadata = measure(in, delegation, totals, e);
	status = *metadata ? 0 : -1;
out:
	snapshot_resources_free(resources, count);
	snapshot_drop(in);
	return status;
}
