/*
 * A stack of directories, each with its names.  Only the uppermost few are open: one below is
 * opened again from its child through "..", and must still be the directory that it was.
 */
#include "tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct tree {
	struct resource *resources; /* sorted; strings and filters are the caller's */
	size_t count, next;
	const struct resource *resource; /* the one being walked */
	size_t prefix;                   /* length of its name with the slash */
	int root;                        /* its directory, until that is entered; or -1 */
	struct level *levels;
	size_t depth, room;
	struct interrupt interrupt;
	bool enter; /* the entry last returned is a directory */
	struct entry entry;
	dev_t device; /* of the entry */
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1];
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct resource *)a)->name, ((const struct resource *)b)->name);
}

static int
open_resource(const struct resource *r, struct err *e)
{
	int fd = file_open_dir(AT_FDCWD, r->source, e);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		err_set(e, ERR_WORKSPACE_NOT_FOUND, "%s: %s", r->source, strerror(errno));
		err_hint(e, "name a directory that is there");
	}
	return fd;
}

struct tree *
tree_open(const struct resource *r, size_t n, struct err *e)
{
	struct tree *t = calloc(1, sizeof *t);

	if (t == NULL || (t->resources = calloc(n + 1, sizeof *t->resources)) == NULL) {
		err_memory(e);
		goto err;
	}
	t->root = -1;
	t->count = n;
	for (size_t i = 0; i < n; i++) {
		int fd = open_resource(&r[i], e);
		if (fd < 0)
			goto err;
		(void)close(fd);
		t->resources[i] = r[i];
	}
	qsort(t->resources, n, sizeof *t->resources, by_name);
	return t;
err:
	tree_close(t);
	return NULL;
}

int
interrupt_check(const struct interrupt *i, struct err *e)
{
	return i->wanted == NULL || i->wanted(i->arg) ? 0
						      : err_set(e, ERR_CANCELLED, "it was stopped");
}

void
tree_heed(struct tree *t, const struct interrupt *i)
{
	t->interrupt = *i;
}

const struct interrupt *
tree_interrupt(const struct tree *t)
{
	return &t->interrupt;
}

void
tree_close(struct tree *t)
{
	if (t == NULL)
		return;
	for (; t->depth > 0; t->depth--) {
		struct level *l = &t->levels[t->depth - 1];
		file_close(l->fd);
		listing_free(&l->names);
		if (t->resource->filter != NULL)
			filter_leave(t->resource->filter);
	}
	if (t->resources != NULL)
		file_close(t->root);
	free(t->levels);
	free(t->resources);
	free(t);
}

static int
changed(const char *path, struct err *e)
{
	err_set(e, ERR_BUSY, "%s changed while it was read", path);
	return err_hint(e, "try again when nothing writes to the directory");
}

static const char *
relative(const struct tree *t)
{
	return strlen(t->path) < t->prefix ? "" : t->path + t->prefix;
}

int64_t
tree_time(struct timespec t)
{
	int64_t furthest = INT64_MAX / 1000000000 - 1;
	int64_t seconds = t.tv_sec > furthest    ? furthest
			  : t.tv_sec < -furthest ? -furthest
						 : t.tv_sec;

	return seconds * 1000000000 + t.tv_nsec;
}

struct timespec
tree_timespec(int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

static void
set_entry(struct tree *t, const struct stat *st)
{
	static const struct {
		mode_t format;
		char type;
	} types[] = {{S_IFREG, 'f'}, {S_IFDIR, 'd'}, {S_IFLNK, 'l'}};

	t->device = st->st_dev;
	t->entry = (struct entry){
	    .path = t->path,
	    .type = '?',
	    .mode = st->st_mode & 0777,
	    .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
	    .mtime = tree_time(st->st_mtim),
	    .ctime = tree_time(st->st_ctim),
	    .inode = st->st_ino,
	};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if ((st->st_mode & S_IFMT) == types[i].format)
			t->entry.type = types[i].type;
	t->enter = t->entry.type == 'd';
}

/* Go to the next resource: its directory is the entry, to be entered next. */
static int
begin_resource(struct tree *t, struct err *e)
{
	struct stat st;

	t->resource = &t->resources[t->next++];
	(void)snprintf(t->path, sizeof t->path, "%s", t->resource->name);
	t->prefix = t->path[0] == '\0' ? 0 : strlen(t->path) + 1;
	if ((t->root = open_resource(t->resource, e)) < 0)
		return -1;
	if (fstat(t->root, &st) < 0)
		return err_sys(e, "%s", t->resource->source);
	set_entry(t, &st);
	return 0;
}

static int
open_entered(struct tree *t, struct err *e)
{
	struct stat st;
	int fd = t->root;

	if (t->depth > 0) {
		const struct level *above = &t->levels[t->depth - 1];
		fd = openat(above->fd, t->path + above->length,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	t->root = -1;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return changed(t->path, e);
	if (fd < 0)
		return err_sys(e, "cannot open %s", t->path);
	if (fstat(fd, &st) < 0 || st.st_ino != t->entry.inode || st.st_dev != t->device) {
		(void)close(fd);
		return changed(t->path, e);
	}
	return fd;
}

static int
push(struct tree *t, struct err *e)
{
	if (t->depth == t->room) {
		size_t room = t->room * 2 + 16;
		struct level *levels = realloc(t->levels, room * sizeof *levels);
		if (levels == NULL)
			return err_memory(e);
		t->levels = levels;
		t->room = room;
	}
	int fd = open_entered(t, e);
	if (fd < 0)
		return -1;
	if (t->resource->filter != NULL &&
	    filter_enter(t->resource->filter, fd, relative(t), e) < 0) {
		(void)close(fd);
		return -1;
	}
	if (t->depth >= OPEN_LEVELS) {
		struct level *low = &t->levels[t->depth - OPEN_LEVELS];
		file_close(low->fd);
		low->fd = -1;
	}
	size_t length = strlen(t->path);
	t->levels[t->depth++] = (struct level){
	    .fd = fd,
	    .device = t->device,
	    .inode = t->entry.inode,
	    .length = length == 0 ? 0 : length + 1,
	};
	return 0;
}

static int
pop(struct tree *t, struct err *e)
{
	struct level *top = &t->levels[t->depth - 1], *below = t->depth > 1 ? top - 1 : NULL;
	struct stat st;
	int status = 0;

	if (below != NULL && below->fd < 0) {
		below->fd = openat(top->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below->fd < 0 || fstat(below->fd, &st) < 0 || st.st_ino != below->inode ||
		    st.st_dev != below->device) {
			t->path[top->length - 1] = '\0';
			status = changed(t->path, e);
		}
	}
	(void)close(top->fd);
	listing_free(&top->names);
	if (t->resource->filter != NULL)
		filter_leave(t->resource->filter);
	t->depth--;
	return status;
}

static int
read_target(struct tree *t, struct err *e)
{
	const struct level *top = &t->levels[t->depth - 1];
	ssize_t n = readlinkat(top->fd, t->path + top->length, t->target, sizeof t->target);

	if (n < 0)
		return err_sys(e, "cannot read the link %s", t->path);
	if ((size_t)n == sizeof t->target)
		return err_set(e, ERR_WORKSPACE_INVALID, "%s: the link's target is too long",
			       t->path);
	t->target[n] = '\0';
	t->entry.target = t->target;
	t->entry.size = (uint64_t)n;
	return 0;
}

/* Make ${name} in the directory on top the entry: 1, 0 if it is left out, -1. */
static int
look(struct tree *t, const char *name, struct err *e)
{
	const struct level *top = &t->levels[t->depth - 1];
	struct stat st;

	if (top->length + strlen(name) > TREE_PATH) {
		err_set(e, ERR_WORKSPACE_INVALID, "a path is longer than %d bytes: %.200s…",
			TREE_PATH, t->path);
		return err_hint(e, "leave the directory out with a pattern");
	}
	if (top->length > 0)
		t->path[top->length - 1] = '/';
	(void)strcpy(t->path + top->length, name);
	if (fstatat(top->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) /* gone since it was listed? */
		return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", t->path);
	if (strcmp(relative(t), ".awcp") == 0)
		return 0;
	if (t->resource->filter != NULL &&
	    filter_excludes(t->resource->filter, relative(t), S_ISDIR(st.st_mode)))
		return 0;
	set_entry(t, &st);
	if (t->entry.type == 'l' && read_target(t, e) < 0)
		return -1;
	return 1;
}

int
tree_next(struct tree *t, struct entry **entry, struct err *e)
{
	const char *name;

	*entry = &t->entry;
	for (;;) {
		if (interrupt_check(&t->interrupt, e) < 0)
			return -1;
		if (t->enter) {
			t->enter = false;
			if (push(t, e) < 0)
				return -1;
		}
		if (t->depth == 0) {
			if (t->next == t->count)
				return 0;
			if (begin_resource(t, e) < 0)
				return -1;
			if (t->prefix > 0)
				return 1;
			continue;
		}
		struct level *top = &t->levels[t->depth - 1];
		if (listing_next(&top->names, top->fd, &name, e) < 0)
			return err_add(e, "%.*s", (int)top->length, t->path);
		int found = name == NULL ? pop(t, e) : look(t, name, e);
		if (found != 0)
			return found;
	}
}

const struct resource *
tree_resource(const struct tree *t)
{
	return t->resource;
}

int
tree_at(const struct tree *t, const char **name)
{
	const struct level *top = &t->levels[t->depth - 1];

	*name = t->path + top->length;
	return top->fd;
}

int
tree_open_file(struct tree *t, struct err *e)
{
	const struct level *top = &t->levels[t->depth - 1];
	struct stat st;

	/* O_NONBLOCK: a FIFO that has taken the file's place must not hold us up. */
	int fd = openat(top->fd, t->path + top->length,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ELOOP)
		return err_sys(e, "cannot read %s", t->path);
	if (fd < 0)
		return changed(t->path, e);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != t->entry.inode) {
		(void)close(fd);
		return changed(t->path, e);
	}
	return fd;
}
