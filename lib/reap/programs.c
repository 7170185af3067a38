/*
 * Programs of ours that were killed before they could clean up: an awcp-serve, whose servers go on
 * and hold its port, and an awcp-tmux, whose terminal stays open.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "reap/private.h"

#define TERMINAL "awcp-tmux." /* begins the name of its directory */

/* The directory ${name}, in ${homefd}, of an awcp-serve that is gone. */
static void
clear_server(struct reap *r, int homefd, const char *name)
{
	char mark[PATH_MAX + 300], home[PATH_MAX], cwd[PATH_MAX + 300];

	if (realpath(home_path(), home) == NULL)
		return;
	(void)snprintf(cwd, sizeof cwd, "%s/%s", home, name);
	(void)snprintf(mark, sizeof mark, "AWCP_SERVE=%s/%s", home_path(), name);
	reap_clear_left(
	    r, &(struct reap_left){
		   .owner = "awcp-serve", .dirfd = homefd, .name = name, .mark = mark, .cwd = cwd});
}

void
reap_servers(struct reap *r)
{
	char path[300];

	DIR *dir = home_list(".");
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (strncmp(name, "serve-", 6) != 0 || !isdigit((unsigned char)name[6]))
			continue;
		(void)snprintf(path, sizeof path, "%s/lock", name);
		/* One without a lock is just being made, or was made by an older version. */
		bool locked = faccessat(dirfd(dir), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		if (locked ? !file_is_held(dirfd(dir), path)
			   : reap_age(r, dirfd(dir), name) >= r->limits.leftover_age)
			clear_server(r, dirfd(dir), name);
	}
}

/* Is ${name} the directory of a terminal of ours, whose awcp-tmux is gone? */
static bool
is_abandoned(int dirfd, const char *name)
{
	struct stat st;

	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
	/* It holds the lock as long as it lives; without one it has not begun. */
	bool abandoned = ours && faccessat(fd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
			 !file_is_held(fd, "lock");

	file_close(fd);
	return abandoned;
}

static void
look_for_terminals(struct reap *r, const char *path)
{
	char mark[PATH_MAX + 300];

	DIR *dir = opendir(path);
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (strncmp(name, TERMINAL, sizeof TERMINAL - 1) != 0 ||
		    !is_abandoned(dirfd(dir), name))
			continue;
		(void)snprintf(mark, sizeof mark, "AWCP_TMUX=%.4000s/%.255s", path, name);
		reap_clear_left(r, &(struct reap_left){.owner = "awcp-tmux",
						       .dirfd = dirfd(dir),
						       .name = name,
						       .mark = mark,
						       .outside = true});
	}
}

void
reap_terminals(struct reap *r)
{
	const char *tmp = getenv("TMPDIR");

	look_for_terminals(r, "/tmp");
	if (tmp != NULL && tmp[0] == '/' && strcmp(tmp, "/tmp") != 0)
		look_for_terminals(r, tmp);
}
