/*
 * power - a library for LD_PRELOAD that notes what would be left if the power failed.
 *
 *	POWER=directory		what our programs make durable is copied there, when they do
 *
 * Nothing else survives: not a file that was not synced, not a name in a directory that was not.
 * A file system keeps more than that, sooner or later; no program may count on it.
 *
 *	<file>		the content of a file at its last sync; a name is its inode and birth
 *	<file>.names	of a directory: "f" or "d", the file, the name, a line each
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Write what file ${name} in ${d} is known as; 'f', 'd', or 0 if it is gone. */
static char
known_as(int d, const char *name, char out[64])
{
	struct statx s;
	if (statx(d, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
		  &s) < 0)
		return 0;
	snprintf(out, 64, "%llu-%lld.%u", (unsigned long long)s.stx_ino,
		 (long long)s.stx_btime.tv_sec, s.stx_btime.tv_nsec);
	return S_ISDIR(s.stx_mode) ? 'd' : S_ISREG(s.stx_mode) ? 'f' : 0;
}

static void
copy(int d, int to)
{
	char piece[65536], path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", d);
	int from = open(path, O_RDONLY | O_CLOEXEC); /* it may be open to be written only */
	for (ssize_t n; from >= 0 && (n = read(from, piece, sizeof piece)) > 0;)
		if (write(to, piece, (size_t)n) != n)
			abort();
	if (from >= 0)
		close(from);
}

static void
copy_names(int d, int to)
{
	char known[64];
	int own = openat(d, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char type = known_as(own, entry->d_name, known);
		if (type && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			dprintf(to, "%c %s %s\n", type, known, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* Sync ${d} by ${real}.  One at a time, so that no older copy takes the place of a newer one; and
 * of what comes while the disk is at it nothing is kept. */
static int
keep(int d, int (*real)(int))
{
	char known[64], path[PATH_MAX], new[PATH_MAX];
	const char *power = getenv("POWER");
	char type = 0;

	if (power && strncmp(program_invocation_short_name, "awcp", 4) == 0)
		type = known_as(d, "", known);
	if (!type)
		return real(d);
	snprintf(path, sizeof path, "%s/lock", power);
	int lock = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		abort();
	snprintf(path, sizeof path, "%s/%s%s", power, known, type == 'd' ? ".names" : "");
	snprintf(new, sizeof new, "%s/new", power);
	int to = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		abort();
	(type == 'd' ? copy_names : copy)(d, to);
	int status = real(d), saved = errno;
	if (close(to) < 0 || (status == 0 && rename(new, path) < 0))
		abort();
	close(lock);
	errno = saved;
	return status;
}

#define WRAP(name_)                                                    \
	int name_(int d)                                               \
	{                                                              \
		static int (*real)(int);                               \
		if (!real)                                             \
			real = (int (*)(int))dlsym(RTLD_NEXT, #name_); \
		return keep(d, real);                                  \
	}

WRAP(fsync)
WRAP(fdatasync)
