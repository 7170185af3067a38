/*
 * delta - what came back, described by what was sent.  See delta.h.
 */
#include "archive/delta.h"

#include <stdlib.h>
#include <string.h>

#include "archive/admit.h"
#include "tree/manifest.h"

/* A manifest that is read along with another one. */
struct cursor {
	struct manifest_reader *reader;
	struct entry *head; /* the next entry; NULL at the end */
	bool used;          /* it was found already */
};

static int
cursor_open(struct cursor *c, const struct tree *t, struct err *e)
{
	*c = (struct cursor){.reader = manifest_reader_new(t->manifestfd, e), .used = true};
	return c->reader == NULL ? -1 : 0;
}

/* Point *${found} at the entry ${path}, or at NULL; NULL as ${path} stands for the end.  With
 * ${whole} no entry may lie before it. */
static int
cursor_find(struct cursor *c, const char *path, bool whole, struct entry **found, struct err *e)
{
	int order = 1;

	for (;;) {
		if (c->used) {
			int n = manifest_next(c->reader, &c->head, e);
			if (n < 0)
				return -1;
			if (n == 0)
				c->head = NULL;
			c->used = false;
		}
		order = c->head == NULL ? 1 : path == NULL ? -1 : tree_order(c->head->path, path);
		if (order >= 0)
			break;
		if (whole)
			return err_set(e, ERR_WORKSPACE_INVALID,
				       "the archive has %.256s, which is not in its list",
				       c->head->path);
		c->used = true;
	}
	*found = order == 0 && c->head != NULL ? c->head : NULL;
	c->used = *found != NULL;
	return 0;
}

/* Has ${file} the content of ${base}?  A link has one if it was sent as what it points to. */
static bool
is_same(const struct entry *file, const struct entry *base)
{
	return base != NULL && base->sha256[0] != '\0' && strcmp(base->sha256, file->sha256) == 0;
}

/* What is read and written along with each other. */
struct sides {
	struct cursor base, arrived;
	struct manifest_writer *out;
};

static int
sides_open(struct sides *s, const struct delta *d, struct err *e)
{
	*s = (struct sides){0};
	if (cursor_open(&s->base, d->to->base, e) < 0 ||
	    cursor_open(&s->arrived, d->arrived, e) < 0)
		return -1;
	s->out = manifest_writer_new(d->to->manifestfd, e);
	return s->out == NULL ? -1 : 0;
}

static void
sides_close(struct sides *s)
{
	manifest_writer_free(s->out);
	manifest_reader_free(s->arrived.reader);
	manifest_reader_free(s->base.reader);
}

/* Add ${entry} to the manifest, and count it; ${base} is what was sent there, or NULL. */
static int
put_entry(struct delta *d, struct sides *s, struct entry *entry, const struct entry *base,
	  struct err *e)
{
	entry->ctime = 0;
	entry->inode = 0;
	if (entry->type == 'f') {
		d->files++;
		d->bytes += entry->size;
	} else {
		entry->sha256[0] = '\0';
	}
	/* A link with a hash was sent as what it points to. */
	bool old = entry->type == 'l' && base != NULL && base->type == 'l' && !base->unsent &&
		   base->sha256[0] == '\0' && strcmp(base->target, entry->target) == 0;
	if (entry->type == 'l' && !old && d->link(d->arg, entry, e) < 0)
		return -1;
	return manifest_add(s->out, entry, e);
}

static int
mark_all(struct delta *d, struct sides *s, struct pathset *fresh, struct err *e)
{
	struct entry *entry, *old;
	int n;

	while ((n = manifest_next(s->arrived.reader, &entry, e)) > 0) {
		if (cursor_find(&s->base, entry->path, false, &old, e) < 0)
			return -1;
		entry->in_base = entry->type == 'f' && is_same(entry, old);
		if (entry->type == 'f' && !entry->in_base && pathset_add(fresh, entry->path, e) < 0)
			return -1;
		if (put_entry(d, s, entry, old, e) < 0)
			return -1;
	}
	return n < 0 ? -1 : manifest_finish(s->out, e);
}

int
delta_mark(struct delta *d, struct pathset *fresh, struct err *e)
{
	struct sides s;

	int status = sides_open(&s, d, e);
	if (status >= 0)
		status = mark_all(d, &s, fresh, e);
	sides_close(&s);
	return status;
}

/* Check the file ${entry} of the list against what was sent and what came. */
static int
check_file(const struct admit *in, const struct entry *entry, const struct entry *base,
	   const struct entry *got, struct err *e)
{
	if (entry->sha256[0] == '\0')
		return admit_refuse(in, "has no hash in the list", e);
	if (entry->in_base) {
		if (got != NULL)
			return admit_refuse(
			    in, "is in the archive, though the list marks it as unchanged", e);
		/* Only what is a file on both sides: a peer that keeps links got no link as one. */
		if (base == NULL || base->type != 'f' || !is_same(entry, base) ||
		    base->size != entry->size)
			return admit_refuse(
			    in, "is listed as unchanged, but differs from what was sent", e);
		return 0;
	}
	if (got == NULL)
		return admit_refuse(in, "is in the list, but missing from the archive", e);
	if (got->type != 'f' || strcmp(got->sha256, entry->sha256) != 0 ||
	    got->size != entry->size || got->mode != entry->mode)
		return admit_refuse(in, "differs from its list", e);
	return 0;
}

static int
check_all(struct delta *d, struct sides *s, struct manifest_reader *list, struct admit *in,
	  struct err *e)
{
	struct entry *entry, *old = NULL, *came = NULL;
	uint64_t count = 0;
	int n;

	while ((n = manifest_next(list, &entry, e)) > 0) {
		if (++count > d->limits->entries)
			return err_set(e, ERR_WORKSPACE_TOO_LARGE,
				       "the archive's list has more than %llu entries",
				       (unsigned long long)d->limits->entries);
		if (admit_listed(in, entry, e) < 0 ||
		    cursor_find(&s->base, entry->path, false, &old, e) < 0 ||
		    cursor_find(&s->arrived, entry->path, true, &came, e) < 0)
			return -1;
		if (entry->type == 'f' && check_file(in, entry, old, came, e) < 0)
			return -1;
		if (entry->type != 'f' && came != NULL)
			return admit_refuse(in, "is not a file, so it may be in the list only", e);
		if (put_entry(d, s, entry, old, e) < 0)
			return -1;
	}
	if (n < 0)
		return err_add(e, "the archive's list");
	if (cursor_find(&s->arrived, NULL, true, &came, e) < 0)
		return -1;
	return manifest_finish(s->out, e);
}

int
delta_check(struct delta *d, int listfd, struct err *e)
{
	struct manifest_reader *list = NULL;
	struct sides s = {0};
	int status = -1;

	struct admit *in = calloc(1, sizeof *in);
	if (in == NULL)
		return err_memory(e);
	in->limits = d->limits;
	list = manifest_reader_new(listfd, e);
	if (list == NULL || sides_open(&s, d, e) < 0)
		goto out;
	status = check_all(d, &s, list, in, e);
out:
	sides_close(&s);
	manifest_reader_free(list);
	free(in);
	return status;
}
