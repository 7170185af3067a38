#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/id.h"

/* Kernels before 5.6, and some containers, have no openat2: walk by hand. */
static int
open_by_component(int dirfd, const char *path, int flags, mode_t mode)
{
	int at = dirfd;

	for (;;) {
		size_t n = strcspn(path, "/");
		char name[256];
		if (n == 0 || n >= sizeof name) {
			errno = n == 0 ? EINVAL : ENAMETOOLONG;
			break;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		if (strcmp(name, "..") == 0) {
			errno = EXDEV;
			break;
		}
		bool last = path[n] == '\0' || path[n + strspn(path + n, "/")] == '\0';
		int fd = openat(
		    at, name, (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC, mode);
		if (at != dirfd)
			file_close(at);
		if (last || fd < 0)
			return fd;
		at = fd;
		path += n + strspn(path + n, "/");
	}
	if (at != dirfd)
		file_close(at);
	return -1;
}

int
file_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *e)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
	    .mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open_by_component(dirfd, path, flags, mode);
	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	return (int)fd;
}

int
file_parent_beneath(int dirfd, const char *path, const char **base, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));

	if (parent == NULL)
		return err_memory(e);
	*base = slash == NULL ? path : slash + 1;
	int fd = file_open_beneath(dirfd, parent, O_RDONLY | O_DIRECTORY, 0, e);
	free(parent);
	return fd;
}

int
file_open_dir(int dirfd, const char *path, struct err *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open directory %s", path);
	return fd;
}

/* Make the name ${path} of a directory that was just made durable. */
static int
sync_name(int dirfd, char *path, struct err *e)
{
	char *slash = strrchr(path, '/');
	const char *parent = slash == NULL ? "." : slash == path ? "/" : path;

	if (slash != NULL && slash != path)
		*slash = '\0';
	int fd = file_open_dir(dirfd, parent, e);
	if (slash != NULL)
		*slash = '/';
	int status = fd < 0 ? -1 : file_sync_dir(fd, e);
	file_close(fd);
	return status;
}

/* Have the directories that will be made in ${path} lie far from each other, each with its files
 * (chattr(1), T): one is slow to make where many were removed a moment ago.  Only ext4 knows it. */
static void
spread(int dirfd, const char *path)
{
	int flags, fd = file_open_dir(dirfd, path, NULL);

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_TOPDIR_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	file_close(fd);
}

static int
make_dirs(int dirfd, const char *path, bool durable, struct err *e)
{
	char *copy = strdup(path);
	int status = -1;

	if (copy == NULL)
		return err_memory(e);
	for (char *p = copy + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;
		*p = '\0';
		bool made = mkdirat(dirfd, copy, 0700) == 0;
		if (!made && errno != EEXIST) {
			err_sys(e, "cannot create directory %s", copy);
			goto out;
		}
		if (made && durable)
			spread(dirfd, copy);
		/* Where those that were there are need not be ours to read. */
		if (durable && sync_name(dirfd, copy, e) < 0 && made)
			goto out;
		if (end == '\0')
			break;
		*p = end;
	}
	status = 0;
out:
	free(copy);
	return status;
}

int
file_make_dirs(int dirfd, const char *path, struct err *e)
{
	return make_dirs(dirfd, path, false, e);
}

int
file_enter_dir(int dirfd, const char *path, struct err *e)
{
	return file_make_dirs(dirfd, path, e) < 0 ? -1 : file_open_dir(dirfd, path, e);
}

int
file_make_durable_dirs(int dirfd, const char *path, struct err *e)
{
	return make_dirs(dirfd, path, true, e);
}

int
file_write(int fd, const void *p, size_t n, struct err *e)
{
	const char *s = p;

	while (n > 0) {
		ssize_t w = write(fd, s, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_sys(e, "cannot write");
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t
file_read(int fd, void *p, size_t n, struct err *e)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(fd, (char *)p + have, n - have);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, "cannot read");
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

int
file_slurp(int dirfd, const char *name, struct buf *b, struct err *e)
{
	char piece[16384];
	int status = -1;
	ssize_t n;

	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "cannot read %s", name);
	do {
		n = file_read(fd, piece, sizeof piece, e);
		if (n > 0 && buf_add(b, piece, (size_t)n, e) < 0)
			n = -1;
	} while (n == (ssize_t)sizeof piece);
	if (n >= 0)
		status = buf_add(b, "", 0, e); /* so that an empty file gives "" and not NULL */
	else
		err_add(e, "%s", name);
	file_close(fd);
	return status;
}

/* As file_replace, but for making the directory durable. */
static int
replace(int dirfd, const char *name, const void *p, size_t n, bool durable, struct err *e)
{
	char temporary[ID_MAX + 1];

	if (id_make(FILE_TEMPORARY, 16, temporary, e) < 0)
		return -1;
	int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot create a file to replace %s", name);
	if (file_write(fd, p, n, e) < 0)
		goto err1;
	if (durable && fsync(fd) < 0) {
		err_sys(e, "cannot write %s", name);
		goto err1;
	}
	if (close(fd) < 0) {
		err_sys(e, "cannot write %s", name);
		goto err0;
	}
	if (renameat(dirfd, temporary, dirfd, name) < 0) {
		err_sys(e, "cannot replace %s", name);
		goto err0;
	}
	return 0;
err1:
	file_close(fd);
err0:
	(void)unlinkat(dirfd, temporary, 0);
	return -1;
}

int
file_replace(int dirfd, const char *name, const void *p, size_t n, bool durable, struct err *e)
{
	if (replace(dirfd, name, p, n, durable, e) < 0)
		return -1;
	return durable ? file_sync_dir(dirfd, e) : 0;
}

int
file_replace_new(int parentfd, int dirfd, const char *name, const void *p, size_t n, struct err *e)
{
	if (replace(dirfd, name, p, n, true, e) < 0)
		return -1;
	return file_sync_dir(parentfd, e) < 0 ? -1 : file_sync_dir(dirfd, e);
}

int
file_sync_dir(int dirfd, struct err *e)
{
	if (fsync(dirfd) < 0)
		return err_sys(e, "cannot make a directory durable");
	return 0;
}

int
file_lock(int dirfd, const char *name, bool wait, struct err *e)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "cannot open lock %s", name);
	while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			err_set(e, ERR_BUSY, "%s is held by another process", name);
		else
			err_sys(e, "cannot lock %s", name);
		file_close(fd);
		return -1;
	}
	return fd;
}

bool
file_is_held(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool held = fd < 0 ? errno != ENOENT : flock(fd, LOCK_SH | LOCK_NB) < 0;

	file_close(fd);
	return held;
}

int
file_in_memory(const void *p, size_t n, struct err *e)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot hold a content");
	if (file_write(fd, p, n, e) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	file_close(fd);
	return err_add(e, "cannot hold a content");
}

int
file_copy(int from, int to, struct err *e)
{
	char piece[65536];
	ssize_t n;

	for (;;) {
		n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);
		if (n == 0)
			return 0;
		if (n < 0)
			break;
	}
	/* Not between these two: by hand from where it stopped. */
	while ((n = file_read(from, piece, sizeof piece, e)) > 0)
		if (file_write(to, piece, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

void
file_write_behind(int fd, uint64_t *begun, uint64_t size)
{
	const uint64_t piece = UINT64_C(8) << 20;

	if (size - *begun < piece)
		return;
	/* A hint: where it cannot be given (a pipe, another file system) nothing is lost. */
	(void)sync_file_range(fd, (off_t)*begun, (off_t)(size - *begun), SYNC_FILE_RANGE_WRITE);
	*begun = size;
}

void
file_close(int fd)
{
	int number = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = number;
}

int
file_unnamed(int dirfd, struct err *e)
{
	char name[ID_MAX + 1];

	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Where the file system cannot, it loses its name at once. */
	if (id_make(".awcp-", 16, name, e) < 0)
		return -1;
	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot create a temporary file");
	(void)unlinkat(dirfd, name, 0);
	return fd;
}
