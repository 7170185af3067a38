/*
 * walk_file - the files that a walk comes by: their hash, and what links lead to.  See walk.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "tree/walk.h"

#define PIECE (128 * 1024) /* bytes read at once */

/* The path that ${fd} has in /proc, as the kernel resolved it. */
static char *
real_path(int fd, struct err *e)
{
	char link[40], path[PATH_MAX + 1];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0) {
		err_sys(e, "cannot resolve a path");
		return NULL;
	}
	path[n] = '\0';
	char *copy = strdup(path);
	if (copy == NULL)
		err_memory(e);
	return copy;
}

/* Add ${n} zeros. */
static int
hash_hole(struct sha256 *hash, char *piece, off_t n, const struct interrupt *i, struct err *e)
{
	memset(piece, 0, PIECE);
	for (; n > 0; n -= n < PIECE ? n : PIECE) {
		if (interrupt_check(i, e) < 0)
			return -1;
		sha256_add(hash, piece, n < PIECE ? (size_t)n : PIECE);
	}
	return 0;
}

/* Hash the file ${fd} from its beginning, without reading its holes. */
static int
hash_file(int fd, struct sha256 *hash, char *piece, const struct interrupt *i, struct err *e)
{
	struct stat st;
	off_t at = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot read");
	while ((off_t)st.st_blocks * 512 < st.st_size && at < st.st_size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			data = st.st_size;
		if (data < at)
			return err_sys(e, "cannot read");
		if (hash_hole(hash, piece, data - at, i, e) < 0)
			return -1;
		at = data < st.st_size ? lseek(fd, data, SEEK_HOLE) : data;
		for (off_t left = at - data; left > 0; left -= n) {
			n = pread(fd, piece, left < PIECE ? (size_t)left : PIECE, at - left);
			if (n <= 0)
				return err_sys(e, "cannot read");
			if (interrupt_check(i, e) < 0)
				return -1;
			sha256_add(hash, piece, (size_t)n);
		}
	}
	if (lseek(fd, at, SEEK_SET) < 0)
		return err_sys(e, "cannot read");
	while ((n = file_read(fd, piece, PIECE, e)) > 0) {
		if (interrupt_check(i, e) < 0)
			return -1;
		sha256_add(hash, piece, (size_t)n);
	}
	return n < 0 ? -1 : 0;
}

int
walk_hash(struct walk *w, struct entry *entry, struct err *e)
{
	struct sha256 *hash = NULL;
	char *piece = NULL;
	int status = -1;

	int fd = walk_open_file(w, e);
	if (fd < 0)
		return -1;
	if ((hash = sha256_new(e)) == NULL)
		goto out;
	if ((piece = malloc(PIECE)) == NULL) {
		err_memory(e);
		goto out;
	}
	if ((status = hash_file(fd, hash, piece, walk_interrupt(w), e)) < 0)
		err_add(e, "%s", entry->path);
	else
		sha256_hex(hash, entry->sha256);
out:
	free(piece);
	sha256_free(hash);
	(void)close(fd);
	return status;
}

static int
leads_nowhere(const struct entry *entry, const char *where, struct err *e)
{
	err_set(e, ERR_WORKSPACE_INVALID, "%s is a link that leads %s: %s", entry->path, where,
		entry->target);
	return err_hint(e, "leave it out with a pattern, or replace it by what it points to");
}

/* Is ${path}, in the resource whose directory is ${root}, part of it? */
static int
is_part(const struct resource *r, int root, const char *path, bool is_dir, struct err *e)
{
	/* Without a filter it is not ours: then all is part. */
	bool excluded = r->filter != NULL && strncmp(path, ".awcp/", 6) == 0;

	if (r->filter != NULL && filter_check(r->filter, root, path, is_dir, &excluded, e) < 0)
		return -1;
	return !excluded;
}

/* ${real} is where the link leads: 1 to send what is there, 0 to leave it out, -1. */
static int
may_follow(const struct resource *r, const struct entry *entry, const char *real, mode_t mode,
	   struct err *e)
{
	char *top = NULL;
	int status = -1;

	int root = resource_open(r, e);
	if (root < 0 || (top = real_path(root, e)) == NULL)
		goto out;
	size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(real, top, n) != 0 || (real[n] != '/' && real[n] != '\0'))
		status = leads_nowhere(entry, "out of what is sent", e);
	else if (!S_ISREG(mode) && !S_ISDIR(mode))
		status = leads_nowhere(entry, "to no file", e);
	else if (real[n] == '\0' || real[n + 1] == '\0')
		status = 1;
	else
		status = is_part(r, root, real + n + 1, S_ISDIR(mode), e);
out:
	free(top);
	file_close(root);
	return status;
}

int
walk_follow(struct walk *w, const struct resource *within, const struct entry *entry, int *fd,
	    struct err *e)
{
	char *real = NULL, link[40];
	const char *name;
	struct stat st;
	int status = -1;

	*fd = -1;
	int dirfd = walk_at(w, &name);
	int at = openat(dirfd, name, O_PATH | O_CLOEXEC);
	if (at < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == EACCES))
		return leads_nowhere(entry, "to nothing that can be read", e);
	if (at < 0 || fstat(at, &st) < 0) {
		err_sys(e, "cannot follow the link %s", entry->path);
		goto out;
	}
	if ((real = real_path(at, e)) == NULL)
		goto out;
	status = may_follow(within, entry, real, st.st_mode, e);
	if (status == 1) {
		/* What was looked at is what is opened. */
		(void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
		*fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		status = *fd < 0 ? err_sys(e, "cannot read %s", entry->path) : 0;
	}
out:
	free(real);
	file_close(at);
	return status;
}
