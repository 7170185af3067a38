/*
 * unpack_into - an archive becomes a directory, wholly or not at all.  See unpack_into.h.
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
#include "base/id.h"
#include "archive/unpack_into.h"

/* Is the target, if it is there, an empty directory?  Its mode, or that of a new one. */
static int
check_target(int parent, const char *name, const char *path, mode_t mask, mode_t *mode,
	     struct err *e)
{
	struct stat st;

	*mode = 0777 & ~mask;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	*mode = st.st_mode & 07777;
	DIR *d = file_list(parent, name);
	if (d == NULL)
		return err_set(e, ERR_CANNOT_CREATE, "%s exists and is not a directory", path);
	if (file_next(&d) == NULL)
		return 0;
	closedir(d);
	err_set(e, ERR_CANNOT_CREATE, "%s is not empty", path);
	return err_hint(e, "name a directory that does not exist");
}

/* A copy of ${fd} that can be read anywhere, if it cannot. */
static int
spool_archive(int fd, int parent, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int copy = file_unnamed(parent, e);
	if (copy < 0 || file_copy(fd, copy, e) == 0)
		return copy;
	close(copy);
	return -1;
}

static int
fill_part(int fd, int parent, const char *part, const struct unpack_limits *limits,
	  struct unpack_totals *totals, struct err *e)
{
	const struct tree from = {.manifestfd = -1, .archivefd = fd};

	if (mkdirat(parent, part, 0700) < 0)
		return err_sys(e, "cannot create %s", part);
	int dirfd = file_open_dir(parent, part, e);
	if (dirfd < 0)
		return -1;
	int status = unpack(&from, dirfd, limits, totals, e);
	close(dirfd);
	return status;
}

/* Cut ${path} into the directory that it lies in, opened, and its name. */
static int
open_parent(const char *path, char name[NAME_MAX + 1], struct err *e)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	size_t from = n;
	while (from > 0 && path[from - 1] != '/')
		from--;
	if (n - from > NAME_MAX)
		return err_set(e, ERR_USAGE, "the name of the directory is too long");
	memcpy(name, path + from, n - from);
	name[n - from] = '\0';
	if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		err_set(e, ERR_USAGE, "%s is not the name of a directory", path);
		return err_hint(e, "name a directory that does not exist");
	}
	char *parent = from > 0 ? strndup(path, from) : strdup(".");
	if (parent == NULL)
		return err_memory(e);
	int fd = file_open_dir(AT_FDCWD, parent, e);
	free(parent);
	return fd;
}

int
unpack_into(int fd, const char *path, bool modes, struct unpack_totals *totals, struct err *e)
{
	char name[NAME_MAX + 1], part[ID_MAX + 1];
	struct unpack_limits limits;
	mode_t mode, mask = umask(077);
	int status = -1, source = -1;

	umask(mask);
	if (unpack_limits(&limits, e) < 0)
		return -1;
	limits.mask = modes ? 0 : mask;
	int parent = open_parent(path, name, e);
	if (parent < 0)
		return -1;
	if (check_target(parent, name, path, mask, &mode, e) < 0 ||
	    id_make(".unpack-", 16, part, e) < 0)
		goto out;
	source = spool_archive(fd, parent, e);
	if (source < 0)
		goto out;
	status = fill_part(source, parent, part, &limits, totals, e);
	if (status >= 0 && fchmodat(parent, part, mode, 0) < 0)
		status = err_sys(e, "cannot set the mode of %s", part);
	if (status >= 0 && renameat(parent, part, parent, name) < 0)
		status = err_sys(e, "cannot create %s", path);
	if (status < 0)
		file_remove_tree(parent, part, NULL);
out:
	file_close(source);
	close(parent);
	return status;
}
