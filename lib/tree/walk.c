/*
 * walk - walks directories.  See walk.h.
 *
 * A stack of directories, each with its names.  Only the uppermost few are open: one below is
 * opened again from its child through "..", and must still be the directory that it was.
 */
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/listing.h"

#define OPEN_LEVELS 32

struct level {
	int fd; /* -1: closed for the time being */
	dev_t device;
	ino_t inode;
	size_t length; /* of its path, with a slash unless it is empty */
	struct listing names;
};

struct walk {
	struct resource *resources; /* sorted; strings and filters are the caller's */
	size_t count, next;
	const struct resource *resource; /* the one being walked */
	size_t prefix;                   /* length of its name with the slash */
	int root;                        /* its directory, until that is entered; or -1 */
	struct level *levels;
	size_t depth, cap;
	struct interrupt interrupt;
	walk_refused *refused; /* or NULL */
	void *refused_arg;
	bool whole;
	bool enter; /* the entry last returned is a directory */
	struct entry entry;
	dev_t device; /* of the entry */
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1];
};

static int
by_resource(const void *a, const void *b)
{
	return tree_order(((const struct resource *)a)->name, ((const struct resource *)b)->name);
}

static int
open_resource(const struct resource *r, struct err *e)
{
	int fd = resource_open(r, e);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		err_set(e, ERR_WORKSPACE_NOT_FOUND, "%s: %s", r->source, strerror(errno));
		err_hint(e, "name a directory that is there");
	}
	return fd;
}

struct walk *
walk_open(const struct resource *r, size_t n, struct err *e)
{
	struct walk *w = calloc(1, sizeof *w);

	if (w == NULL || (w->resources = calloc(n + 1, sizeof *w->resources)) == NULL) {
		err_memory(e);
		goto err;
	}
	w->root = -1;
	w->count = n;
	for (size_t i = 0; i < n; i++) {
		int fd = open_resource(&r[i], e);
		if (fd < 0)
			goto err;
		(void)close(fd);
		w->resources[i] = r[i];
	}
	qsort(w->resources, n, sizeof *w->resources, by_resource);
	return w;
err:
	walk_close(w);
	return NULL;
}

int
interrupt_check(const struct interrupt *i, struct err *e)
{
	return i->wanted == NULL || i->wanted(i->arg) ? 0
						      : err_set(e, ERR_CANCELLED, "it was stopped");
}

void
walk_heed(struct walk *w, const struct interrupt *i)
{
	w->interrupt = *i;
}

void
walk_tolerate(struct walk *w, walk_refused *refused, void *arg)
{
	w->refused = refused;
	w->refused_arg = arg;
}

void
walk_whole(struct walk *w)
{
	w->whole = true;
}

/* ${path} cannot be walked because of ${e}: 0 to go on, -1. */
static int
refuse(struct walk *w, const char *path, struct err *e)
{
	if (w->refused == NULL || (e->code != ERR_PERMISSION && e->code != ERR_WORKSPACE_INVALID))
		return -1;
	return w->refused(w->refused_arg, path, e);
}

const struct interrupt *
walk_interrupt(const struct walk *w)
{
	return &w->interrupt;
}

void
walk_close(struct walk *w)
{
	if (w == NULL)
		return;
	for (; w->depth > 0; w->depth--) {
		struct level *l = &w->levels[w->depth - 1];
		file_close(l->fd);
		listing_free(&l->names);
		if (w->resource->filter != NULL)
			filter_leave(w->resource->filter);
	}
	if (w->resources != NULL)
		file_close(w->root);
	free(w->levels);
	free(w->resources);
	free(w);
}

static int
changed_meanwhile(const char *path, struct err *e)
{
	err_set(e, ERR_BUSY, "%s changed while it was read", path);
	return err_hint(e, "try again when nothing writes to the directory");
}

static const char *
resource_path(const struct walk *w)
{
	return strlen(w->path) < w->prefix ? "" : w->path + w->prefix;
}

static void
set_entry(struct walk *w, const struct stat *st)
{
	w->device = st->st_dev;
	w->entry = (struct entry){
	    .path = w->path,
	    .type = tree_type(st->st_mode),
	    .mode = st->st_mode & 0777,
	    .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
	    .mtime = tree_time(st->st_mtim),
	    .ctime = tree_time(st->st_ctim),
	    .inode = st->st_ino,
	};
	w->enter = w->entry.type == 'd';
}

/* Go to the next resource: its directory is the entry, to be entered next. */
static int
begin_resource(struct walk *w, struct err *e)
{
	struct stat st;

	w->resource = &w->resources[w->next++];
	(void)snprintf(w->path, sizeof w->path, "%s", w->resource->name);
	w->prefix = w->path[0] == '\0' ? 0 : strlen(w->path) + 1;
	if ((w->root = open_resource(w->resource, e)) < 0)
		return -1;
	if (fstat(w->root, &st) < 0)
		return err_sys(e, "%s", w->resource->source);
	set_entry(w, &st);
	return 0;
}

static int
open_entered(struct walk *w, struct err *e)
{
	struct stat st;
	int fd = w->root;

	if (w->depth > 0) {
		const struct level *above = &w->levels[w->depth - 1];
		fd = openat(above->fd, w->path + above->length,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	w->root = -1;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return changed_meanwhile(w->path, e);
	if (fd < 0)
		return err_sys(e, "cannot open %s", w->path);
	if (fstat(fd, &st) < 0 || st.st_ino != w->entry.inode || st.st_dev != w->device) {
		(void)close(fd);
		return changed_meanwhile(w->path, e);
	}
	return fd;
}

static int
push_level(struct walk *w, struct err *e)
{
	struct level *levels = array_grow(w->levels, w->depth + 1, &w->cap, sizeof *levels, e);
	if (levels == NULL)
		return -1;
	w->levels = levels;
	int fd = open_entered(w, e);
	if (fd < 0)
		return refuse(w, w->path, e);
	if (w->resource->filter != NULL &&
	    filter_enter(w->resource->filter, fd, resource_path(w), e) < 0) {
		(void)close(fd);
		return refuse(w, w->path, e);
	}
	if (w->depth >= OPEN_LEVELS) {
		struct level *low = &w->levels[w->depth - OPEN_LEVELS];
		file_close(low->fd);
		low->fd = -1;
	}
	size_t length = strlen(w->path);
	w->levels[w->depth++] = (struct level){
	    .fd = fd,
	    .device = w->device,
	    .inode = w->entry.inode,
	    .length = length == 0 ? 0 : length + 1,
	};
	return 0;
}

static int
pop_level(struct walk *w, struct err *e)
{
	struct level *top = &w->levels[w->depth - 1], *below = w->depth > 1 ? top - 1 : NULL;
	struct stat st;
	int status = 0;

	if (below != NULL && below->fd < 0) {
		below->fd = openat(top->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below->fd < 0 || fstat(below->fd, &st) < 0 || st.st_ino != below->inode ||
		    st.st_dev != below->device) {
			w->path[top->length - 1] = '\0';
			status = changed_meanwhile(w->path, e);
		}
	}
	(void)close(top->fd);
	listing_free(&top->names);
	if (w->resource->filter != NULL)
		filter_leave(w->resource->filter);
	w->depth--;
	return status;
}

/* The directory on top cannot be listed, because of ${e}: it is as one with nothing in it. */
static int
leave_unread(struct walk *w, struct err *e)
{
	size_t length = w->levels[w->depth - 1].length;
	struct err why = *e;

	w->path[length > 0 ? length - 1 : 0] = '\0';
	if (pop_level(w, e) < 0)
		return -1;
	*e = why;
	err_add(e, "%s", w->path);
	return refuse(w, w->path, e);
}

static int
read_target(struct walk *w, struct err *e)
{
	const struct level *top = &w->levels[w->depth - 1];
	ssize_t n = readlinkat(top->fd, w->path + top->length, w->target, sizeof w->target);

	if (n < 0)
		return err_sys(e, "cannot read the link %s", w->path);
	if ((size_t)n == sizeof w->target)
		return err_set(e, ERR_WORKSPACE_INVALID, "%s: the link's target is too long",
			       w->path);
	w->target[n] = '\0';
	w->entry.target = w->target;
	w->entry.size = (uint64_t)n;
	return 0;
}

/* ${name}, in the directory on top, has a path that no entry can have. */
static int
refuse_long(struct walk *w, const char *name, struct err *e)
{
	const struct level *top = &w->levels[w->depth - 1];
	char path[TREE_PATH + NAME_MAX + 2];

	(void)snprintf(path, sizeof path, "%.*s/%s", (int)top->length - 1, w->path, name);
	err_set(e, ERR_WORKSPACE_INVALID, "a path is longer than %d bytes: %.200s…", TREE_PATH,
		path);
	err_hint(e, "leave the directory out with a pattern");
	return refuse(w, path, e);
}

/* Make ${name} in the directory on top the entry: 1, 0 if it is left out, -1. */
static int
stat_name(struct walk *w, const char *name, struct err *e)
{
	const struct level *top = &w->levels[w->depth - 1];
	struct stat st;

	if (tree_is_temporary(name))
		return 0;
	if (top->length + strlen(name) > TREE_PATH)
		return refuse_long(w, name, e);
	if (top->length > 0)
		w->path[top->length - 1] = '/';
	(void)strcpy(w->path + top->length, name);
	if (fstatat(top->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT) /* gone since it was listed */
			return 0;
		err_sys(e, "cannot read %s", w->path);
		return refuse(w, w->path, e);
	}
	if (strcmp(resource_path(w), ".awcp") == 0 && !w->whole)
		return 0;
	if (w->resource->filter != NULL &&
	    filter_excludes(w->resource->filter, resource_path(w), S_ISDIR(st.st_mode)))
		return 0;
	set_entry(w, &st);
	if (w->entry.type == 'l' && read_target(w, e) < 0)
		return refuse(w, w->path, e);
	return 1;
}

int
walk_next(struct walk *w, struct entry **entry, struct err *e)
{
	const char *name;

	*entry = &w->entry;
	for (;;) {
		if (interrupt_check(&w->interrupt, e) < 0)
			return -1;
		if (w->enter) {
			w->enter = false;
			if (push_level(w, e) < 0)
				return -1;
		}
		if (w->depth == 0) {
			if (w->next == w->count)
				return 0;
			if (begin_resource(w, e) < 0)
				return -1;
			if (w->prefix > 0)
				return 1;
			continue;
		}
		struct level *top = &w->levels[w->depth - 1];
		if (listing_next(&top->names, top->fd, &name, e) < 0) {
			if (leave_unread(w, e) < 0)
				return -1;
			continue;
		}
		int found = name == NULL ? pop_level(w, e) : stat_name(w, name, e);
		if (found != 0)
			return found;
	}
}

bool
walk_is_in(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->depth; i++)
		if (w->levels[i].device == st->st_dev && w->levels[i].inode == st->st_ino)
			return true;
	return false;
}

const struct resource *
walk_resource(const struct walk *w)
{
	return w->resource;
}

int
walk_at(const struct walk *w, const char **name)
{
	const struct level *top = &w->levels[w->depth - 1];

	*name = w->path + top->length;
	return top->fd;
}

int
walk_open_file(struct walk *w, struct err *e)
{
	const struct level *top = &w->levels[w->depth - 1];
	struct stat st;

	/* O_NONBLOCK: a FIFO that has taken the file's place must not hold us up. */
	int fd = openat(top->fd, w->path + top->length,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ELOOP)
		return err_sys(e, "cannot read %s", w->path);
	if (fd < 0)
		return changed_meanwhile(w->path, e);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != w->entry.inode) {
		(void)close(fd);
		return changed_meanwhile(w->path, e);
	}
	return fd;
}
