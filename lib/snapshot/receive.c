/*
 * snapshot/receive - a snapshot arrives.  See snapshot.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/delta.h"
#include "archive/repack.h"
#include "base/file.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "snapshot/private.h"
#include "wire/message.h"

#define PART "incoming"

static void
close_incoming(struct snapshot_incoming *in)
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
	in->parentfd = file_enter_dir(dirfd, "snapshots", e);
	/* Only who holds follow.lock receives: what is there was left by one that was killed. */
	if (in->parentfd < 0 || file_remove_tree(in->parentfd, PART, e) < 0)
		goto err;
	if (mkdirat(in->parentfd, PART, 0700) < 0) {
		err_sys(e, "cannot create %s", PART);
		goto err;
	}
	in->part = true;
	in->dirfd = file_open_dir(in->parentfd, PART, e);
	if (in->dirfd < 0)
		goto err;
	in->fd = file_unnamed(in->dirfd, e);
	if (in->fd < 0)
		goto err;
	return 0;
err:
	snapshot_abort(in);
	return -1;
}

void
snapshot_abort(struct snapshot_incoming *in)
{
	/* What cannot be removed now goes with the delegation. */
	if (in->parentfd >= 0 && in->part)
		file_remove_tree(in->parentfd, PART, NULL);
	close_incoming(in);
}

/* An archive that has arrived, on its way to what is stored of it. */
struct storing {
	struct repack repack; /* comes first, for repack_piece and repack_end */
	const struct snapshot_incoming *in;
	struct resource *resources;
	const char **tops; /* their names */
	size_t count;
	struct unpack_limits limits;
	struct tree sent, stored;
	struct tree arrived; /* its archive is in's */
	int listfd;
	struct pathset fresh; /* what of it is stored, if it holds everything */
	bool whole;
	struct delta delta;
};

static int
store_begin(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct storing *s = arg;

	if (s->whole && !pathset_has(&s->fresh, entry->path))
		return 0;
	return repack_begin(&s->repack, entry, size, e);
}

static int
store_link(void *arg, const struct entry *entry, struct err *e)
{
	struct storing *s = arg;

	return writer_begin(s->repack.to, entry, NULL, 0, e);
}

/* Copy the files that are to be stored; the manifest of all files goes to ${from}'s. */
static int
store_files(struct storing *s, const struct tree *from, struct err *e)
{
	const struct unpack_visitor v = {store_begin, repack_piece, repack_end, s};
	struct unpack_totals totals;

	return unpack_visit(from, &s->limits, &v, s->listfd, &totals, e);
}

/* Take an archive that holds everything: only when it is known are the files to store. */
static int
store_whole(struct storing *s, struct err *e)
{
	const struct tree again = {.manifestfd = -1, .archivefd = s->in->fd};
	struct unpack_totals totals;

	s->whole = true;
	if (unpack_visit(&s->arrived, &s->limits, NULL, -1, &totals, e) < 0 ||
	    delta_mark(&s->delta, &s->fresh, e) < 0)
		return -1;
	return s->fresh.count > 0 ? store_files(s, &again, e) : 0;
}

/* Take one that holds what is new, and lists the rest. */
static int
store_delta(struct storing *s, struct err *e)
{
	s->listfd = file_unnamed(s->in->dirfd, e);
	if (s->listfd < 0 || store_files(s, &s->arrived, e) < 0)
		return -1;
	return delta_check(&s->delta, s->listfd, e);
}

struct tally {
	uint64_t added, changed, deleted;
	json_t *names; /* of the first of them */
};

static int
count_change(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct tally *t = arg;
	const struct entry *it = change->after != NULL ? change->after : change->before;

	(void)e;
	if (it->type == 'd')
		return 0;
	t->added += change->kind == 'A';
	t->deleted += change->kind == 'D';
	t->changed += change->kind != 'A' && change->kind != 'D';
	if (json_array_size(t->names) < MESSAGE_CHANGED)
		jsonx_append(t->names, change->path); /* out of memory: the list is shorter */
	return 0;
}

/* Count what arrived against what was sent. */
static json_t *
make_metadata(const struct storing *s, const json_t *delegation, struct err *e)
{
	struct tally t = {.names = json_array()};
	json_t *o = json_object(), *metadata = NULL;

	if (snapshot_compare(delegation, &s->stored, GUARD_ASK, count_change, &t, e) < 0) {
		json_decref(t.names);
		goto out;
	}
	if (snapshot_set_changed_files(o, t.names) < 0 ||
	    snapshot_set_file_count(o, (int64_t)s->delta.files) < 0 ||
	    snapshot_set_total_bytes(o, (int64_t)s->delta.bytes) < 0 ||
	    snapshot_set_added(o, (int64_t)t.added) < 0 ||
	    snapshot_set_changed(o, (int64_t)t.changed) < 0 ||
	    snapshot_set_deleted(o, (int64_t)t.deleted) < 0) {
		err_memory(e);
		goto out;
	}
	metadata = json_incref(snapshot_metadata(o));
out:
	json_decref(o);
	return metadata;
}

static int
open_trees(struct storing *s, struct err *e)
{
	if (tree_open(&s->sent, s->in->parentfd, "../" BASE_MANIFEST, "../" BASE_ARCHIVE, e) < 0)
		return -1;
	s->arrived = (struct tree){file_unnamed(s->in->dirfd, e), s->in->fd, NULL};
	if (s->arrived.manifestfd < 0)
		return -1;
	if (tree_create(&s->stored, s->in->dirfd, SNAPSHOT_MANIFEST, SNAPSHOT_ARCHIVE, e) < 0)
		return -1;
	s->stored.base = &s->sent;
	s->repack.to = writer_new(s->stored.archivefd, PACK_TAR_ZST, e);
	return s->repack.to != NULL ? 0 : -1;
}

/* Check the archive, write the manifest, and store of it what the base has not. */
static int
store(struct storing *s, const json_t *delegation, json_t **metadata, struct err *e)
{
	uint64_t bytes;

	if (snapshot_resources(delegation, &s->resources, &s->count, e) < 0)
		return -1;
	s->tops = calloc(s->count + 1, sizeof *s->tops);
	if (s->tops == NULL)
		return err_memory(e);
	for (size_t i = 0; i < s->count; i++)
		s->tops[i] = s->resources[i].name;
	if (unpack_limits(&s->limits, e) < 0 || open_trees(s, e) < 0)
		return -1;
	s->limits.tops = s->tops;
	s->delta = (struct delta){.limits = &s->limits,
				  .arrived = &s->arrived,
				  .to = &s->stored,
				  .link = store_link,
				  .arg = s};
	int status = delegation_delta(delegation) ? store_delta(s, e) : store_whole(s, e);
	if (status < 0 || writer_finish(s->repack.to, &bytes, e) < 0)
		return -1;
	if (fsync(s->stored.manifestfd) < 0 || fsync(s->stored.archivefd) < 0 ||
	    fsync(s->in->dirfd) < 0)
		return err_sys(e, "cannot write %s", PART);
	*metadata = make_metadata(s, delegation, e);
	return *metadata != NULL ? 0 : -1;
}

/* Give what is stored the snapshot's name.  Whoever has received it before had the same. */
static int
name_stored(struct snapshot_incoming *in, struct err *e)
{
	if (renameat(in->parentfd, PART, in->parentfd, in->id) == 0)
		in->part = false;
	else if (errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(e, "cannot keep snapshot %s", in->id);
	return file_sync_dir(in->parentfd, e);
}

int
snapshot_store(struct snapshot_incoming *in, const json_t *delegation, json_t **metadata,
	       struct err *e)
{
	int status = -1;

	*metadata = NULL;
	struct storing *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_memory(e);
		goto out;
	}
	const struct tree none = {.manifestfd = -1, .archivefd = -1};
	s->in = in;
	s->listfd = -1;
	s->sent = s->arrived = s->stored = none;
	if (!id_valid(in->id)) {
		err_set(e, ERR_BAD_MESSAGE, "not a snapshot id: %.64s", in->id);
		goto out;
	}
	if (store(s, delegation, metadata, e) < 0) {
		err_add(e, "snapshot %s", in->id);
		goto out;
	}
	status = name_stored(in, e);
out:
	if (s != NULL) {
		writer_free(s->repack.to);
		pathset_free(&s->fresh);
		file_close(s->listfd);
		file_close(s->arrived.manifestfd);
		tree_close(&s->sent);
		tree_close(&s->stored);
		snapshot_resources_free(s->resources, s->count);
		free(s->tops);
		free(s);
	}
	if (status < 0) {
		json_decref(*metadata);
		*metadata = NULL;
	}
	snapshot_abort(in);
	return status;
}
