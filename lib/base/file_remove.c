/*
 * Removing a tree, however deep, with a handful of descriptors.
 *
 * The tree is emptied level by level: files of a directory are unlinked, and its subdirectories are
 * renamed up into the top one, under fresh names, until nothing but files and empty directories is
 * left.  So neither the stack nor the descriptors grow with the depth, and no path is ever longer
 * than one name.  A directory on another file system is not entered: it makes the removal fail.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct removal {
	dev_t device;
	int topfd;
	unsigned serial;
	bool moved; /* this pass put something new into the top directory */
};

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Let us into the directory ${name}, which a task may have closed to us.  Failing is fine: what
 * cannot be changed shows in what comes next. */
static void
open_up(int dirfd, const char *name)
{
	char path[64];

	int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (chmod(path, 0700) < 0)
		errno = 0;
	file_close(fd);
}

/* Open the directory ${name} to empty it; on another device than ${device} (0: any), which is
 * where it is then, only to fail. */
static DIR *
open_to_empty(int parentfd, const char *name, dev_t *device, struct err *e)
{
	struct stat st;

	int fd = openat(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		open_up(parentfd, name);
		fd = openat(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, "cannot open %s to remove it", name);
		goto fail;
	}
	if (*device != 0 && st.st_dev != *device) {
		err_set(e, ERR_IO, "cannot remove %s: it is on another file system", name);
		goto fail;
	}
	*device = st.st_dev;
	if ((st.st_mode & 0700) != 0700)
		open_up(parentfd, name);
	DIR *dir = fdopendir(fd);
	if (dir != NULL)
		return dir;
	err_sys(e, "cannot read %s", name);
fail:
	file_close(fd);
	return NULL;
}

/* Empty the directory ${name} in the top directory: files go, directories move up. */
static int
empty_one(struct removal *r, const char *name, struct err *e)
{
	struct dirent *d;
	int status = -1;

	DIR *dir = open_to_empty(r->topfd, name, &r->device, e);
	if (dir == NULL)
		return -1;
	int fd = dirfd(dir);
	while ((d = readdir(dir)) != NULL) {
		if (is_dots(d->d_name))
			continue;
		if (unlinkat(fd, d->d_name, 0) == 0)
			continue;
		if ((errno != EISDIR && errno != EPERM) ||
		    unlinkat(fd, d->d_name, AT_REMOVEDIR) == 0)
			continue;
		char up[32];
		do
			(void)snprintf(up, sizeof up, ".removed-%u", r->serial++);
		while (faccessat(r->topfd, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
		open_up(fd, d->d_name); /* moving a directory writes its ".." */
		if (renameat(fd, d->d_name, r->topfd, up) < 0) {
			err_sys(e, "cannot remove %s", d->d_name);
			goto out;
		}
		r->moved = true;
	}
	status = 0;
out:
	(void)closedir(dir);
	return status;
}

/* Empty the top directory, which ${dir} reads, and remove it. */
static int
remove_top(struct removal *r, DIR *dir, int parentfd, const char *name, struct err *e)
{
	struct dirent *d;

	for (;; rewinddir(dir)) {
		r->moved = false;
		while ((d = readdir(dir)) != NULL) {
			if (is_dots(d->d_name) || unlinkat(r->topfd, d->d_name, 0) == 0)
				continue;
			if (unlinkat(r->topfd, d->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
				continue;
			if (empty_one(r, d->d_name, e) < 0)
				return -1;
			if (unlinkat(r->topfd, d->d_name, AT_REMOVEDIR) < 0)
				r->moved = true; /* something came in meanwhile: once more */
		}
		if (r->moved)
			continue;
		if (unlinkat(parentfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY) /* here, too: a lock that somebody wanted */
			return err_sys(e, "cannot remove %s", name);
	}
}

int
file_remove_tree(int parentfd, const char *name, struct err *e)
{
	struct removal r = {.topfd = -1};

	if (unlinkat(parentfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "cannot remove %s", name);
	DIR *dir = open_to_empty(parentfd, name, &r.device, e);
	if (dir == NULL)
		return -1;
	r.topfd = dirfd(dir);
	int status = remove_top(&r, dir, parentfd, name, e);
	(void)closedir(dir);
	return status;
}
