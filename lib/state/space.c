#include "state/space.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"

#define RETRY_S 300 /* when to try again where there is no room */
#define MIB (1024 * 1024)

#define RESERVE "reserve"
#define PIECES 16          /* files that are set aside: */
#define PIECE (128 * 1024) /* bytes of each, */
#define LITTLE 64          /* as long as so many of them would fit */

int
space_look(int dirfd, struct space *r, struct err *e)
{
	struct statvfs v;
	long long min;

	int status = setting_number(SETTING_MIN_FREE, &min, e);
	*r = (struct space){.bytes = UINT64_MAX, .files = UINT64_MAX, .min_bytes = (uint64_t)min};
	if (fstatvfs(dirfd, &v) < 0)
		return status;
	r->bytes = (uint64_t)v.f_bavail * v.f_frsize;
	if (v.f_files == 0) /* there are as many as it needs */
		return status;
	double all = (double)v.f_blocks * (double)v.f_frsize;
	double share = all > 0 ? (double)min / all : 0;
	r->files = v.f_favail;
	r->min_files = (uint64_t)((double)v.f_files * (share < 1 ? share : 1));
	return status;
}

/* Does ${least} stay of ${have} when ${n} are taken? */
static bool
stays(uint64_t have, uint64_t n, uint64_t least)
{
	return have == UINT64_MAX || (have >= n && have - n >= least);
}

int
space_for(int dirfd, uint64_t bytes, uint64_t files, struct err *e)
{
	struct space r;

	if (space_look(dirfd, &r, e) < 0)
		return -1;
	if (!stays(r.bytes, bytes, r.min_bytes))
		err_set(e, ERR_NO_SPACE,
			"the disk is nearly full: %llu MiB are free, of which %llu stay so",
			(unsigned long long)r.bytes / MIB, (unsigned long long)r.min_bytes / MIB);
	else if (!stays(r.files, files, r.min_files))
		err_set(e, ERR_NO_SPACE,
			"the disk is nearly full: %llu inodes are free, of which %llu stay so",
			(unsigned long long)r.files, (unsigned long long)r.min_files);
	else
		return 0;
	err_hint(e, "free some space, or set AWCP_MIN_FREE lower");
	return err_retry(e, RETRY_S);
}

static void
name_piece(int i, char name[16])
{
	(void)snprintf(name, 16, "%d", i);
}

/* Is piece ${i} there, with its bytes? */
static bool
is_set_aside(int dirfd, int i)
{
	char name[16];
	struct stat st;

	name_piece(i, name);
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size >= PIECE;
}

/* False if there is no space for it. */
static bool
set_piece_aside(int dirfd, int i)
{
	char name[16];

	name_piece(i, name);
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool done = posix_fallocate(fd, 0, PIECE) == 0;
	file_close(fd);
	if (!done)
		(void)unlinkat(dirfd, name, 0);
	return done;
}

void
space_reserve(void)
{
	struct space r;

	int dirfd = home_dir(RESERVE, NULL);
	/* They are made from the first to the last, and given back from the last to the first. */
	if (dirfd < 0 || is_set_aside(dirfd, PIECES - 1))
		return;
	for (int i = 0; i < PIECES; i++) {
		if (is_set_aside(dirfd, i))
			continue;
		(void)space_look(dirfd, &r, NULL); /* what is free it says in any case */
		if (r.bytes < (uint64_t)LITTLE * PIECE || r.files < LITTLE ||
		    !set_piece_aside(dirfd, i))
			return;
	}
}

bool
space_release(const struct err *e)
{
	char name[16];

	bool full = e != NULL && e->code == ERR_NO_SPACE;
	int dirfd = full ? home_dir(RESERVE, NULL) : -1;
	for (int i = PIECES - 1; dirfd >= 0 && i >= 0; i--) {
		name_piece(i, name);
		if (unlinkat(dirfd, name, 0) == 0)
			return true;
	}
	return false;
}
