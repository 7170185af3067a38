/*
 * snapshot/extract - what a snapshot changes, as two directories.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "tree/selection.h"
#include "snapshot/private.h"
#include "archive/unpack.h"
#include "delegation/members.h"

enum { BASE, DATA }; /* where a file's content lies */

/* One of the directories. */
struct side {
	const char *name;
	bool after, hidden;
	int fd; /* of <name>.whole, which has the resources' names in it; -1 if it is not needed */
	struct pathset files[2]; /* from base.archive, from data.tar.zst */
};

struct extraction {
	struct selection selected;
	bool fidelity;
	int dirfd;
	struct side sides[4];
	FILE *guarded; /* patterns */
};

/* Is it git's own, or what git would not take as a link? */
static bool
is_hidden(const struct snapshot_change *change)
{
	const char *slash = strrchr(change->path, '/');

	return change->guarded == GUARD_NEVER ||
	       strcasecmp(slash ? slash + 1 : change->path, ".gitmodules") == 0;
}

/* The directory that the state before or after ${change} belongs to. */
static struct side *
side_of(struct extraction *x, const struct snapshot_change *change, bool after)
{
	bool hidden = is_hidden(change);

	for (size_t i = 0; i < 4; i++)
		if (x->sides[i].after == after && x->sides[i].hidden == hidden)
			return &x->sides[i];
	return NULL;
}

/* See that the directory is there; -1 on failure. */
static int
make_side(struct extraction *x, struct side *s, struct err *e)
{
	char path[64];

	if (s->fd >= 0)
		return 0;
	snprintf(path, sizeof path, "%s.whole", s->name);
	s->fd = file_enter_dir(x->dirfd, path, e);
	return s->fd < 0 ? -1 : 0;
}

/* Note a path that is to be shown before others. */
static int
note_guarded(struct extraction *x, const char *path, struct err *e)
{
	for (const char *p = path + x->selected.skip; *p != '\0'; p++) {
		if (strchr("\\*?[#", *p) != NULL)
			(void)putc('\\', x->guarded);
		(void)putc(*p == '\n' ? '?' : *p, x->guarded);
	}
	return putc('\n', x->guarded) == EOF ? err_sys(e, "cannot write a temporary file") : 0;
}

/* Note which files are needed. */
static int
note_files(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct extraction *x = arg;
	const struct entry *entries[] = {change->before, change->after};

	if (!selection_has(&x->selected, change->path))
		return 0;
	if (change->guarded == GUARD_ASK && strlen(change->path) > x->selected.skip &&
	    note_guarded(x, change->path, e) < 0)
		return -1;
	for (int after = 0; after < 2; after++) {
		const struct entry *entry = entries[after];
		struct side *s = side_of(x, change, after);
		if (entry == NULL || !s || entry->type == 'd')
			continue;
		int from = after && !entry->in_base ? DATA : BASE;
		if (make_side(x, s, e) < 0 ||
		    (entry->type == 'f' && pathset_add(&s->files[from], change->path, e) < 0))
			return -1;
	}
	return 0;
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

/* The mode that ${change} leads to here: what a peer does not keep is no change. */
static mode_t
mode_of(const struct extraction *x, const struct side *s, const struct snapshot_change *change)
{
	const struct entry *before = change->before, *after = change->after;

	/* Who asks for the side before asks of a path that was there. */
	if (s->after && x->fidelity)
		return after->mode & 0777;
	if (before && (!s->after || before->type == 'f'))
		return before->mode & 0777;
	return is_script(s->fd, change->path) ? 0755 : 0644;
}

/* Make the link, or give the file its mode. */
static int
finish_entry(const struct extraction *x, const struct side *s, const struct entry *entry,
	     const struct snapshot_change *change, struct err *e)
{
	char parent[TREE_PATH + 1];
	const char *slash = strrchr(change->path, '/');

	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - change->path) : 0,
		 change->path);
	if (*parent && file_make_dirs(s->fd, parent, e) < 0)
		return -1;
	const char *base;
	int fd = file_parent_beneath(s->fd, change->path, &base, e);
	if (fd < 0)
		return -1;
	int status = entry->type == 'l' ? symlinkat(entry->target, fd, base)
					: fchmodat(fd, base, mode_of(x, s, change) | 0600, 0);
	if (status)
		err_sys(e, "%s", change->path);
	close(fd);
	return status;
}

static int
finish_files(void *arg, const struct snapshot_change *change, struct err *e)
{
	struct extraction *x = arg;
	const struct entry *entries[] = {change->before, change->after};

	if (!selection_has(&x->selected, change->path))
		return 0;
	for (int after = 0; after < 2; after++) {
		struct side *s = side_of(x, change, after);
		if (s && entries[after] && entries[after]->type != 'd' &&
		    finish_entry(x, s, entries[after], change, e) < 0)
			return -1;
	}
	return 0;
}

/* Give the directory its name.  Without the resource's name: its folder takes the place of what it
 * is in. */
static int
name_side(const struct extraction *x, const struct side *s, const char *resource, struct err *e)
{
	char whole[ID_MAX + 320];

	snprintf(whole, sizeof whole, "%s.whole", s->name);
	if (*resource) {
		if (mkdirat(s->fd, resource, 0700) && errno != EEXIST)
			return err_sys(e, "cannot create %s", resource);
		size_t n = strlen(whole);
		snprintf(whole + n, sizeof whole - n, "/%s", resource);
	}
	return renameat(x->dirfd, whole, x->dirfd, s->name) ? err_sys(e, "cannot rename %s", whole)
							    : 0;
}

static int
fill_sides(struct extraction *x, const struct tree *came, struct err *e)
{
	const int archives[] = {[BASE] = came->base->archivefd, [DATA] = came->archivefd};

	/* git wants to have both. */
	for (size_t i = 0; i < 2; i++)
		if (make_side(x, &x->sides[i], e) < 0)
			return -1;
	for (size_t i = 0; i < 8; i++) {
		struct side *s = &x->sides[i / 2];
		struct pathset *files = &s->files[i % 2];
		if (files->count > 0 && unpack_paths(archives[i % 2], s->fd, files, e) < 0)
			return -1;
	}
	return 0;
}

static int
extract(const struct record *r, const char *snap, struct extraction *x, const char *resource,
	struct err *e)
{
	struct snapshot_tree trees;
	int status = -1;

	if (snapshot_tree_open(&trees, r, snap, e) < 0)
		goto out;
	if (snapshot_compare(r->json, &trees.came, GUARD_NEVER, note_files, x, e) < 0)
		goto out;
	if (fill_sides(x, &trees.came, e) < 0)
		goto out;
	if (snapshot_compare(r->json, &trees.came, GUARD_NEVER, finish_files, x, e) < 0)
		goto out;
	for (size_t i = 0; i < 4; i++)
		if (x->sides[i].fd >= 0 && name_side(x, &x->sides[i], resource, e) < 0)
			goto out;
	status = 0;
out:
	snapshot_tree_close(&trees);
	return status;
}

static int
open_guarded(struct extraction *x, struct err *e)
{
	int fd = openat(x->dirfd, "guarded", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	x->guarded = fd < 0 ? NULL : fdopen(fd, "w");
	if (x->guarded != NULL)
		return 0;
	err_sys(e, "cannot make a temporary file");
	file_close(fd);
	return -1;
}

int
snapshot_extract(const struct record *r, const char *snap, const char *const *paths, size_t count,
		 struct snapshot_trees *t, struct err *e)
{
	struct extraction x = {.dirfd = -1,
			       .sides = {{"a", false, false, -1, {{0}}},
					 {"b", true, false, -1, {{0}}},
					 {"hidden/a", false, true, -1, {{0}}},
					 {"hidden/b", true, true, -1, {{0}}}}};
	struct resource *resources;
	size_t n;
	int status = -1;

	*t = (struct snapshot_trees){0};
	if (snapshot_resources(r->json, &resources, &n, e) < 0)
		return -1;
	x.fidelity = delegation_fidelity(r->json);
	x.selected = selection_of(paths, count, resources, n);
	int tmp = home_dir("tmp", e);
	if (tmp < 0 || id_make("diff-", 16, t->name, e) < 0 ||
	    (x.dirfd = file_enter_dir(tmp, t->name, e)) < 0)
		goto out;
	if (snprintf(t->path, sizeof t->path, "%s/tmp/%s", home_path(), t->name) >=
	    (int)sizeof t->path) {
		err_set(e, ERR_CONFIG, "the path of the state directory is too long");
		goto out;
	}
	if (open_guarded(&x, e) < 0)
		goto out;
	status = extract(r, snap, &x, n == 1 ? resources[0].name : "", e);
out:
	if (x.guarded != NULL && fclose(x.guarded) != 0 && status == 0)
		status = err_sys(e, "cannot write a temporary file");
	for (size_t i = 0; i < 4; i++) {
		file_close(x.sides[i].fd);
		pathset_free(&x.sides[i].files[BASE]);
		pathset_free(&x.sides[i].files[DATA]);
	}
	file_close(x.dirfd);
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
