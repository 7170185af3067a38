/* What the file system of the state must be able to do, tried in a directory in tmp/. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "doctor/private.h"

/* A time to the millisecond, as the end of a lease is, in ms. */
#define PRECISION INT64_C(1234567890123)

static bool
make(int dirfd, const char *name, mode_t mode)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	file_close(fd);
	return fd >= 0;
}

static bool
has_links(int dirfd)
{
	return symlinkat("17", dirfd, "link") == 0;
}

static bool
has_fifos(int dirfd)
{
	return mkfifoat(dirfd, "fifo", 0600) == 0;
}

static bool
has_sockets(int dirfd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/socket", dirfd);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
	file_close(fd);
	return works;
}

static bool
has_locks(int dirfd)
{
	int one = openat(dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int two = openat(dirfd, "lock", O_RDWR | O_CLOEXEC);
	bool works = one >= 0 && two >= 0 && flock(one, LOCK_EX | LOCK_NB) == 0 &&
		     flock(two, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	file_close(one);
	file_close(two);
	return works;
}

static bool
has_modes(int dirfd)
{
	struct stat st;

	return make(dirfd, "mode", 0600) && fstatat(dirfd, "mode", &st, 0) == 0 &&
	       (st.st_mode & 0777) == 0600 && fchmodat(dirfd, "mode", 0700, 0) == 0 &&
	       fstatat(dirfd, "mode", &st, 0) == 0 && (st.st_mode & 0777) == 0700;
}

static bool
has_times(int dirfd)
{
	struct timespec t = clock_timespec(PRECISION);
	struct stat st;

	return make(dirfd, "time", 0600) &&
	       utimensat(dirfd, "time", (struct timespec[]){t, t}, 0) == 0 &&
	       fstatat(dirfd, "time", &st, 0) == 0 && st.st_mtim.tv_sec == t.tv_sec &&
	       st.st_mtim.tv_nsec / 1000000 == t.tv_nsec / 1000000;
}

static bool
has_names(int dirfd)
{
	return make(dirfd, "2026-11-20T09:05:42.375Z-%2F", 0600) && make(dirfd, "case", 0600) &&
	       make(dirfd, "CASE", 0600);
}

static bool
has_renames(int dirfd)
{
	return make(dirfd, "new", 0600) && make(dirfd, "old", 0600) &&
	       renameat(dirfd, "new", dirfd, "old") == 0;
}

static const struct {
	const char *what;
	bool (*works)(int dirfd);
} abilities[] = {
    {"symbolic links", has_links},
    {"FIFOs", has_fifos},
    {"sockets", has_sockets},
    {"locks", has_locks},
    {"modes of files", has_modes},
    {"times to the millisecond", has_times},
    {"names with a colon, or that differ by case alone", has_names},
    {"renames that replace", has_renames},
};

/* List what does not work in ${dirfd}; returns how much. */
static size_t
try_all(int dirfd, char *out, size_t size)
{
	size_t n = 0, missing = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof abilities / sizeof abilities[0]; i++)
		if (!abilities[i].works(dirfd) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", missing++ > 0 ? ", " : "",
					      abilities[i].what);
	return missing;
}

void
doctor_filesystem(struct doctor *d)
{
	char name[ID_MAX + 1], missing[400];
	struct err e;
	int fd = -1;

	int tmpfd = home_dir("tmp", &e);
	if (tmpfd < 0 || id_make("doctor_", 12, name, &e) < 0 ||
	    file_make_dirs(tmpfd, name, &e) < 0 || (fd = file_open_dir(tmpfd, name, &e)) < 0) {
		doctor_fail(d, DOCTOR_BAD, "state", &e);
		return;
	}
	if (try_all(fd, missing, sizeof missing) > 0)
		doctor_advise(
		    d, DOCTOR_BAD, "state",
		    "set AWCP_HOME to a directory on another one, such as ext4, xfs, btrfs "
		    "or tmpfs",
		    "the file system of %s will not do: it has no %s", home_path(), missing);
	file_close(fd);
	(void)file_remove_tree(tmpfd, name, NULL);
}
