/*
 * extract - creates what an archive lists.  See extract.h.
 */
#include "archive/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define HELD 4096 /* bytes that wait in memory */

/* How a directory waits: this, then its path. */
struct waiting {
	mode_t mode;
	uint32_t length;
	int64_t mtime;
};

int
extract_open(struct extract *p, int dirfd, uid_t owner, struct err *e)
{
	*p = (struct extract){.dirfd = dirfd, .owner = owner, .parent = -1, .held = BUF_INIT(HELD)};

	if ((p->path = calloc(1, TREE_PATH + 2)) == NULL)
		return err_memory(e);
	return 0;
}

void
extract_close(struct extract *p)
{
	file_close(p->parent);
	p->parent = -1;
	if (p->waiting != NULL)
		(void)fclose(p->waiting);
	buf_free(&p->held);
	free(p->path);
	p->waiting = NULL;
	p->path = NULL;
}

/* Give the new ${name} in ${at} to whom it is for. */
static int
give(const struct extract *p, int at, const char *name)
{
	return p->owner == 0 ? 0 : fchownat(at, name, p->owner, p->owner, AT_SYMLINK_NOFOLLOW);
}

/* One step down from ${at}: the directory ${name}, created if it is not there. */
static int
step(const struct extract *p, int at, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(at, name, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return give(p, at, name) < 0 ? -1 : openat(at, name, flags);
}

static int
no_way(const char *path, struct err *e)
{
	if (errno == ELOOP || errno == ENOTDIR)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "%s: the archive has something there that is not a directory", path);
	return err_sys(e, "cannot create %s", path);
}

/* Go to the directory that is to hold ${path}, and return the last component of ${path}.  Entries
 * of one directory follow each other, so it is kept open. */
static const char *
go_to(struct extract *p, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - path);
	char name[NAME_MAX + 1];

	if (p->parent >= 0 && strncmp(p->path, path, length) == 0 && p->path[length] == '\0')
		return path + length;
	file_close(p->parent);
	p->parent = openat(p->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (const char *at = path; p->parent >= 0 && at < path + length;) {
		size_t n = strcspn(at, "/");
		memcpy(name, at, n);
		name[n] = '\0';
		int fd = step(p, p->parent, name);
		file_close(p->parent);
		p->parent = fd;
		at += n + 1;
	}
	if (p->parent < 0) {
		(void)no_way(path, e);
		return NULL;
	}
	memcpy(p->path, path, length);
	p->path[length] = '\0';
	return path + length;
}

/* What waits is too much for memory. */
static int
begin_file(struct extract *p, struct err *e)
{
	int fd = file_unnamed(p->dirfd, e);

	if (fd < 0)
		return -1;
	if ((p->waiting = fdopen(fd, "w+")) == NULL) {
		(void)close(fd);
		return err_memory(e);
	}
	if (p->held.len > 0 && fwrite(p->held.data, p->held.len, 1, p->waiting) != 1)
		return err_sys(e, "cannot write a temporary file");
	return 0;
}

static int
put_off(struct extract *p, const void *what, size_t n, struct err *e)
{
	if (p->waiting == NULL && p->held.len + n <= HELD)
		return buf_add(&p->held, what, n, e);
	if (p->waiting == NULL && begin_file(p, e) < 0)
		return -1;
	return fwrite(what, n, 1, p->waiting) == 1 ? 0
						   : err_sys(e, "cannot write a temporary file");
}

int
extract_directory(struct extract *p, const struct entry *entry, struct err *e)
{
	struct waiting w = {entry->mode, (uint32_t)strlen(entry->path), entry->mtime};

	const char *name = go_to(p, entry->path, e);
	if (name == NULL)
		return -1;
	int fd = step(p, p->parent, name);
	if (fd < 0)
		return no_way(entry->path, e);
	(void)close(fd);
	return put_off(p, &w, sizeof w, e) < 0 ? -1 : put_off(p, entry->path, w.length, e);
}

static int
exists(const char *path, struct err *e)
{
	if (errno == EEXIST)
		return err_set(e, ERR_WORKSPACE_INVALID, "%s is in the archive twice", path);
	return err_sys(e, "cannot create %s", path);
}

int
extract_link(struct extract *p, const struct entry *entry, struct err *e)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tree_timespec(entry->mtime)};

	const char *name = go_to(p, entry->path, e);
	if (name == NULL)
		return -1;
	if (symlinkat(entry->target, p->parent, name) < 0 || give(p, p->parent, name) < 0)
		return exists(entry->path, e);
	/* Not every file system keeps the time of a link, and nothing depends on it. */
	(void)utimensat(p->parent, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

int
extract_file(struct extract *p, const struct entry *entry, struct err *e)
{
	const char *name = go_to(p, entry->path, e);

	if (name == NULL)
		return -1;
	int fd =
	    openat(p->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && give(p, p->parent, name) < 0) {
		file_close(fd);
		fd = -1;
	}
	return fd < 0 ? exists(entry->path, e) : fd;
}

int
extract_file_end(struct entry *entry, int fd, struct err *e)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tree_timespec(entry->mtime)};
	struct stat st;

	if (fchmod(fd, entry->mode) < 0 || futimens(fd, times) < 0 || fstat(fd, &st) < 0) {
		err_sys(e, "cannot set the mode of %s", entry->path);
		close(fd);
		return -1;
	}
	entry->mtime = tree_time(st.st_mtim);
	entry->ctime = tree_time(st.st_ctim);
	entry->inode = st.st_ino;
	return close(fd) < 0 ? err_sys(e, "cannot write %s", entry->path) : 0;
}

static int
set_directory(struct extract *p, const struct waiting *w, const char *path, struct err *e)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tree_timespec(w->mtime)};

	const char *name = go_to(p, path, e);
	if (name == NULL)
		return -1;
	int fd = openat(p->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return no_way(path, e);
	/* Its owner can always list and enter it; so the order does not matter either. */
	int status = 0;
	if (fchmod(fd, w->mode | 0500) < 0 || futimens(fd, times) < 0)
		status = err_sys(e, "cannot set the mode of %s", path);
	close(fd);
	return status;
}

int
extract_finish(struct extract *p, struct err *e)
{
	char path[TREE_PATH + 1];
	struct waiting w;

	if (p->waiting == NULL && p->held.len == 0)
		return 0;
	if (p->waiting == NULL && (p->waiting = fmemopen(p->held.data, p->held.len, "r")) == NULL)
		return err_memory(e);
	if (fflush(p->waiting) != 0)
		return err_sys(e, "cannot write a temporary file");
	rewind(p->waiting);
	while (fread(&w, sizeof w, 1, p->waiting) == 1) {
		if (w.length > TREE_PATH || fread(path, w.length, 1, p->waiting) != 1)
			break;
		path[w.length] = '\0';
		if (set_directory(p, &w, path, e) < 0)
			return -1;
	}
	if (ferror(p->waiting) || !feof(p->waiting))
		return err_sys(e, "cannot read a temporary file");
	return 0;
}
