/*
 * pack - makes an archive of directories.  See pack.h.
 */
#include "archive/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/packer.h"
#include "archive/unpack.h"
#include "base/file.h"
#include "tree/carry.h"

#define DENSE 500     /* bytes for each of the archive's that a reader may refuse */
#define BROKEN_MAX 32 /* files that the disk does not let us read; with more it is no good */

static int
put_regular(struct packer *p, struct entry *entry, bool same, struct err *e)
{
	if (same && p->delta) {
		entry->in_base = true;
		p->totals->files++;
		packer_count(p, entry->size);
		return 0;
	}
	int fd = walk_open_file(p->walk, e);
	if (fd < 0) {
		p->unread = e->code == ERR_IO;
		return -1;
	}
	int status = packer_send(p, entry, fd, entry->sha256, e);
	(void)close(fd);
	return status;
}

static int
put_link(struct packer *p, struct entry *entry, struct err *e)
{
	size_t top = strlen(walk_resource(p->walk)->name);

	if (!p->o->fidelity)
		return packer_follow(p, entry, e);
	if (carry_link(entry, top, e) < 0)
		return -1;
	return packer_header(p, entry, e);
}

/* Add ${entry} to the manifest, which in a delta is for somebody else. */
static int
add_to_manifest(struct packer *p, const struct entry *entry, struct err *e)
{
	struct entry listed = *entry;
	bool hashed = p->hashed;

	p->hashed = false;
	if (p->hasher != NULL)
		return hasher_entry(p->hasher, entry, hashed, e);
	if (p->manifest == NULL || (p->delta && entry->unsent))
		return 0;
	if (p->delta) {
		listed.ctime = 0;
		listed.inode = 0;
	}
	return manifest_add(p->manifest, &listed, e);
}

static int
put_content(struct packer *p, struct entry *entry, bool same, struct err *e)
{
	if (entry->type == '?')
		return err_set(e, ERR_WORKSPACE_INVALID, "%s is no file, directory or link",
			       entry->path);
	if (!p->o->fidelity && carry_name(entry, e) < 0)
		return -1;
	if (entry->type == 'f')
		return put_regular(p, entry, same, e);
	if (entry->type == 'l')
		return put_link(p, entry, e);
	return packer_header(p, entry, e);
}

static int
put_matched(struct packer *p, struct entry *entry, bool *same, struct err *e)
{
	if (p->baseline != NULL && baseline_match(p->baseline, p->walk, entry, same, e) < 0) {
		p->unread = e->code == ERR_IO;
		return -1;
	}
	return put_content(p, entry, *same, e);
}

/* Is ${entry} a file that the disk did not let us read, the last time? */
static bool
is_broken(const struct packer *p, const struct entry *entry, struct err *e)
{
	if (p->broken == NULL || !pathset_has(p->broken, entry->path))
		return false;
	err_set(e, ERR_IO, "cannot read %s: the disk is broken there", entry->path);
	return true;
}

/* ${entry} cannot be put, because of ${e}. */
static int
give_way(struct packer *p, const struct entry *entry, struct err *e)
{
	if (packer_can_withhold(p, e))
		return packer_withhold(p, entry->path, baseline_then(p->baseline), e);
	if (p->unread)
		(void)snprintf(p->unread_path, TREE_PATH + 1, "%s", entry->path);
	return -1;
}

static int
put_entry(struct packer *p, struct entry *entry, struct err *e)
{
	bool same = false;

	/* Here a device, FIFO or socket is nothing to send, and nothing that apply touches. */
	if (entry->type == '?' && !p->o->lenient)
		return 0;
	if (is_broken(p, entry, e))
		return packer_withhold_unread(p, entry->path, e);
	if (put_matched(p, entry, &same, e) < 0)
		return give_way(p, entry, e);
	if (p->baseline != NULL && !entry->unsent)
		baseline_count(p->baseline, entry, same);
	return add_to_manifest(p, entry, e);
}

/* Begin to write the manifest, and to compare with what was received if that is known. */
static int
open_manifest(struct packer *p, struct err *e)
{
	int fd = p->to->manifestfd;

	if (p->to->base == NULL)
		return fd >= 0 && (p->hasher = hasher_new(fd, e)) == NULL ? -1 : 0;
	p->baseline =
	    baseline_open(p->to->base->manifestfd, p->resources, p->count, p->o->fidelity, e);
	if (p->baseline == NULL)
		return -1;
	baseline_on_change(p->baseline, p->o->changed, p->o->changed_arg);
	if (p->delta && (p->manifest = manifest_writer_new(fd, e)) == NULL)
		return -1;
	return (p->file = sha256_new(e)) == NULL ? -1 : 0;
}

/* Put the list, which is complete, after all that is in it. */
static int
put_list(struct packer *p, struct err *e)
{
	struct entry list = {.path = (char[]){PACK_LIST}, .type = 'f', .mode = 0600};
	struct stat st;
	ssize_t n;

	if (fstat(p->to->manifestfd, &st) < 0 || lseek(p->to->manifestfd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the list");
	list.size = (uint64_t)st.st_size;
	writer_compress(p->archive, false);
	if (writer_begin(p->archive, &list, NULL, 0, e) < 0)
		return -1;
	while ((n = file_read(p->to->manifestfd, p->piece, PACKER_PIECE, e)) > 0)
		if (writer_data(p->archive, list.path, p->piece, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int
finish_archive(struct packer *p, struct err *e)
{
	if (p->hasher != NULL && hasher_finish(p->hasher, e) < 0)
		return -1;
	if (p->manifest != NULL && manifest_finish(p->manifest, e) < 0)
		return -1;
	if (p->baseline != NULL && baseline_finish(p->baseline, &p->totals->changed, e) < 0)
		return -1;
	if (packer_put_kept(p, e) < 0 || (p->delta && put_list(p, e) < 0))
		return -1;
	return writer_finish(p->archive, &p->totals->archive_bytes, e);
}

static int
run_packer(struct packer *p, struct err *e)
{
	struct entry *entry;
	int n, status = -1;

	*p->totals = (struct pack_totals){0};
	if ((p->piece = malloc(PACKER_PIECE)) == NULL ||
	    (p->withheld = calloc(1, TREE_PATH + 1)) == NULL) {
		err_memory(e);
		goto out;
	}
	if (open_manifest(p, e) < 0 || (p->walk = walk_open(p->resources, p->count, e)) == NULL)
		goto out;
	walk_heed(p->walk, &p->o->interrupt);
	packer_tolerate(p, p->walk);
	p->archive = writer_new(p->to->archivefd, p->o->format, e);
	if (p->archive == NULL)
		goto out;
	while ((n = walk_next(p->walk, &entry, e)) == 1)
		if (put_entry(p, entry, e) < 0)
			goto out;
	if (n == 0)
		status = finish_archive(p, e);
out:
	writer_free(p->archive);
	baseline_close(p->baseline);
	walk_close(p->walk);
	hasher_free(p->hasher);
	manifest_writer_free(p->manifest);
	sha256_free(p->file);
	pathset_free(&p->kept);
	free(p->withheld);
	free(p->piece);
	return status;
}

/* Start ${fd}, if it is a file, again from nothing: 1, 0 if it is none, -1. */
static int
start_over(int fd, struct err *e)
{
	if (fd < 0)
		return 1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return 0;
	return ftruncate(fd, 0) < 0 ? err_sys(e, "cannot write the archive") : 1;
}

/* As run_packer.  A file that the disk does not let us read costs that file, not all: it is
 * withheld, from the start again, since what was begun of it cannot be taken back. */
static int
run_again(struct packer *p, struct err *e)
{
	const struct packer fresh = *p;

	for (int n = 0; run_packer(p, e) < 0; n++) {
		if (!p->unread || p->broken == NULL || n == BROKEN_MAX)
			return -1;
		if (pathset_add(p->broken, p->unread_path, e) < 0 ||
		    start_over(p->to->archivefd, e) <= 0 || start_over(p->to->manifestfd, e) <= 0)
			return -1;
		*p = fresh;
	}
	return 0;
}

/* What was compressed so well that its reader would take it for a bomb is sent as it is. */
static int
run_uncompressed(const struct packer *p, struct err *e)
{
	struct pack_options plain = *p->o;
	struct packer again = *p;

	int status = start_over(p->to->archivefd, e);
	if (status <= 0 || (status = start_over(p->to->manifestfd, e)) <= 0)
		return status;
	plain.format = PACK_TAR;
	plain.changed = NULL; /* all of them were reported */
	plain.withheld = NULL;
	again.o = &plain;
	return run_packer(&again, e);
}

int
pack(const struct resource *r, size_t n, const struct pack_options *o, const struct tree *to,
     struct pack_totals *totals, struct err *e)
{
	struct pathset broken = {.count = 0};
	char unread[TREE_PATH + 1] = "";
	struct packer p = {.resources = r,
			   .count = n,
			   .o = o,
			   .put = put_entry,
			   .to = to,
			   .totals = totals,
			   .unread_path = unread};

	p.delta = to->base != NULL && to->manifestfd >= 0;
	if (o->lenient && to->base != NULL)
		p.broken = &broken;
	const struct packer fresh = p;
	int status = run_again(&p, e);
	if (status == 0 && o->format == PACK_TAR_ZST && p.content > UNPACK_ANY_RATIO &&
	    p.content / DENSE > totals->archive_bytes)
		status = run_uncompressed(&fresh, e);
	pathset_free(&broken);
	return status;
}
