/*
 * withhold - what cannot be sent back is not a deletion.  See packer.h.
 *
 * A task may leave behind what no archive of ours carries: a link that leads out of the workspace,
 * a FIFO, a file that cannot be read, a name that the reader does not keep.  Whoever compares what
 * comes back with what was sent would take it for deleted.  So what was received at such a path,
 * and below it, stands for it, and is sent back: in a delta as unchanged, else from the archive
 * that was received.
 */
#include <stdio.h>
#include <string.h>

#include "archive/packer.h"
#include "archive/repack.h"
#include "archive/unpack.h"

bool
packer_can_withhold(const struct packer *p, const struct err *why)
{
	return p->o->lenient && p->baseline != NULL &&
	       (why->code == ERR_WORKSPACE_INVALID || why->code == ERR_PERMISSION);
}

/* Put ${then}, as it was received. */
static int
keep(struct packer *p, const struct entry *then, struct err *e)
{
	struct entry entry = *then;

	if (then->type == 'f')
		p->totals->files++;
	if (!p->delta) {
		if (then->type == 'f')
			return pathset_add(&p->kept, then->path, e);
		return then->type == 'd' || p->o->fidelity ? packer_header(p, then, e) : 0;
	}
	entry.in_base = then->type == 'f';
	entry.ctime = 0;
	entry.inode = 0;
	if (then->type == 'f')
		packer_count(p, then->size);
	return manifest_add(p->manifest, &entry, e);
}

/* ${then} is gone: does it lie in what was withheld? */
static int
keep_below(void *arg, const struct entry *then, struct err *e)
{
	struct packer *p = arg;

	if (*p->withheld == '\0' || tree_below(then->path, p->withheld) == NULL)
		return 0;
	return keep(p, then, e) < 0 ? -1 : 1;
}

int
packer_withhold(struct packer *p, const char *path, const struct entry *then, struct err *e)
{
	p->totals->withheld++;
	if (p->o->withheld != NULL)
		p->o->withheld(p->o->changed_arg, e->message);
	/* A path that is cut was never received. */
	(void)snprintf(p->withheld, TREE_PATH + 1, "%s", path);
	return then != NULL ? keep(p, then, e) : 0;
}

int
packer_withhold_unread(struct packer *p, const char *path, struct err *e)
{
	struct err why = *e;

	/* What was withheld before it is done with. */
	if (baseline_skip(p->baseline, path, e) < 0)
		return -1;
	return packer_withhold(p, path, NULL, &why);
}

/* The walk cannot go to ${path}, or not into it. */
static int
withhold_unread(void *arg, const char *path, struct err *e)
{
	return packer_withhold_unread(arg, path, e);
}

void
packer_tolerate(struct packer *p, struct walk *w)
{
	if (!p->o->lenient || p->baseline == NULL)
		return;
	walk_tolerate(w, withhold_unread, p);
	baseline_on_gone(p->baseline, keep_below, p);
	if (!p->o->fidelity)
		walk_whole(w);
}

/* A file on its way from the archive that was received into the one that goes back. */
struct kept_file {
	struct repack repack; /* comes first, for repack_piece and repack_end */
	struct packer *p;
};

static int
begin_kept(void *arg, const struct entry *entry, uint64_t size, struct err *e)
{
	struct kept_file *k = arg;

	if (!pathset_has(&k->p->kept, entry->path))
		return 0;
	packer_count(k->p, size);
	return repack_begin(&k->repack, entry, size, e);
}

int
packer_put_kept(struct packer *p, struct err *e)
{
	struct kept_file k = {.repack.to = p->archive, .p = p};
	const struct unpack_visitor v = {begin_kept, repack_piece, repack_end, &k};
	struct unpack_totals totals;

	if (p->kept.count == 0)
		return 0;
	writer_compress(p->archive, false);
	const struct tree received = {.manifestfd = -1, .archivefd = p->to->base->archivefd};
	return unpack_visit(&received, NULL, &v, -1, &totals, e);
}
