/*
 * Sessions: what a reader of a queue has seen goes when nobody has read with that name for long; a
 * terminal that awcp-tmux had opened, and was killed before it could close it, is closed.
 *
 * There is no more to a session than that: the session of a task is a name, which is the task's.
 */
#include "reap/private.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"

#define TERMINAL "awcp-tmux." /* how its directory is called */

/* The reader ${name} of ${queue}, whose readers are in ${dirfd}. */
static void
look_at_reader(struct reap *r, const char *queue, int dirfd, const char *name)
{
	char id[600], span[32];
	struct reap_deed d;
	struct err e;

	int64_t age = reap_age(r, dirfd, name);
	if (age < r->limits.readers)
		return;
	(void)snprintf(id, sizeof id, "queue/%.200s/readers/%.255s", queue, name);
	reap_deed(&d, REAP_READERS, id, "remove", "nobody read with that name for %s",
		  reap_span(age, span));
	if (!reap_should_remove(r, &d))
		return;
	int lockfd = file_lock(dirfd, ".lock", true, &e), status = lockfd < 0 ? -1 : 0;
	/* Whoever saves it holds the lock. */
	bool idle = reap_age(r, dirfd, name) >= r->limits.readers;
	if (status == 0 && idle)
		status = reap_remove(dirfd, name, &e);
	file_close(lockfd);
	if (status < 0 || idle)
		reap_did(r, &d, status, &e);
}

static void
look_at_queue(struct reap *r, const char *queue)
{
	const struct dirent *entry;
	char path[300];

	(void)snprintf(path, sizeof path, "queue/%.255s/readers", queue);
	DIR *dir = home_list(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			look_at_reader(r, queue, dirfd(dir), entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
}

void
reap_readers(struct reap *r)
{
	const struct dirent *entry;

	DIR *dir = r->limits.readers == 0 ? NULL : home_list("queue");
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			look_at_queue(r, entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
}

/* Is ${name} the directory of a terminal of ours, whose awcp-tmux is gone? */
static bool
is_abandoned(int dirfd, const char *name)
{
	struct stat st;

	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
	/* It holds the lock as long as it lives; without one it has not begun. */
	int lockfd = ours ? openat(fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	bool abandoned = lockfd >= 0 && flock(lockfd, LOCK_SH | LOCK_NB) == 0;

	file_close(lockfd);
	file_close(fd);
	return abandoned;
}

static void
look_for_terminals(struct reap *r, const char *path)
{
	const struct dirent *entry;
	char mark[PATH_MAX + 300];

	DIR *dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, TERMINAL, sizeof TERMINAL - 1) != 0 ||
		    !is_abandoned(dirfd(dir), entry->d_name))
			continue;
		(void)snprintf(mark, sizeof mark, "AWCP_TMUX=%.4000s/%.255s", path, entry->d_name);
		reap_clear_left(r, &(struct reap_left){.kind = REAP_ORPHANS,
						       .owner = "awcp-tmux",
						       .dirfd = dirfd(dir),
						       .name = entry->d_name,
						       .mark = mark,
						       .outside = true});
	}
	if (dir != NULL)
		(void)closedir(dir);
}

void
reap_terminals(struct reap *r)
{
	const char *tmp = getenv("TMPDIR");

	look_for_terminals(r, "/tmp");
	if (tmp != NULL && tmp[0] == '/' && strcmp(tmp, "/tmp") != 0)
		look_for_terminals(r, tmp);
}
