/*
 * Files: what lies in tmp/ and was not touched for long was left by somebody who died; logs that
 * were set aside and what could not be read go when they are old; a directory without a record is
 * what is left of a creation that was cut off.
 */
#include "reap/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "base/id.h"

#define REMOVING_MS 60000 /* what is being removed was touched since */

/* How a directory of the state is swept. */
struct sweeping {
	const char *directory;
	enum reap_kind kind;
	const char *why;
	/* How old ${name} must be to go, ms; -1: it stays. */
	int64_t (*age)(const struct reap *r, const char *name);
};

static int64_t
tmp_age(const struct reap *r, const char *name)
{
	return strncmp(name, "removed-", 8) == 0 && r->limits.age > REMOVING_MS ? REMOVING_MS
										: r->limits.age;
}

/* A log that was set aside ends with a number. */
static int64_t
log_age(const struct reap *r, const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && dot[1] != '\0' && dot[1 + strspn(dot + 1, "0123456789")] == '\0'
		   ? r->limits.logs
		   : -1;
}

static int64_t
corrupt_age(const struct reap *r, const char *name)
{
	(void)name;
	return r->limits.corrupt;
}

static void
remove_one(struct reap *r, const struct sweeping *s, int dirfd, const char *name, int64_t age)
{
	char id[512], span[32];
	struct reap_deed d;
	struct err e;

	(void)snprintf(id, sizeof id, "%s/%.255s", s->directory, name);
	reap_deed(&d, s->kind, id, "remove", "%s for %s", s->why, reap_span(age, span));
	if (!reap_should_remove(r, &d))
		return;
	/* What is in tmp/ was renamed there already. */
	int status =
	    s->age == tmp_age ? file_remove_tree(dirfd, name, &e) : reap_remove(dirfd, name, &e);
	reap_did(r, &d, status, &e);
	if (status < 0)
		(void)utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW); /* complains less often */
}

static void
sweep(struct reap *r, const struct sweeping *s)
{
	const struct dirent *entry;

	DIR *dir = home_list(s->directory);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int64_t most = s->age(r, entry->d_name);
		int64_t age = most < 0 ? -1 : reap_age(r, dirfd(dir), entry->d_name);
		if (age >= 0 && age >= most)
			remove_one(r, s, dirfd(dir), entry->d_name, age);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

void
reap_temporary(struct reap *r, int dirfd, const char *name)
{
	const struct dirent *entry;
	char id[600], span[32];
	struct reap_deed d;
	struct err e;

	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, FILE_TEMPORARY, sizeof FILE_TEMPORARY - 1) != 0)
			continue;
		int64_t age = reap_age(r, copy, entry->d_name);
		if (age < r->limits.age)
			continue;
		(void)snprintf(id, sizeof id, "%.300s/%.255s", name, entry->d_name);
		reap_deed(&d, REAP_ORPHANS, id, "remove", "nobody touched it for %s",
			  reap_span(age, span));
		if (reap_should_remove(r, &d))
			reap_did(r, &d,
				 unlinkat(copy, entry->d_name, 0) < 0 && errno != ENOENT
				     ? err_sys(&e, "cannot remove it")
				     : 0,
				 &e);
	}
	(void)closedir(dir);
}

/* The same in every directory below ${name}, or with ${deep} false in that itself. */
static void
sweep_temporary(struct reap *r, const char *name, bool deep)
{
	const struct dirent *entry;
	char path[512];

	DIR *dir = home_list(name);
	if (dir == NULL)
		return;
	reap_temporary(r, dirfd(dir), name);
	while (deep && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/%.255s", name, entry->d_name);
		sweep_temporary(r, path, false);
	}
	(void)closedir(dir);
}

void
reap_tmp(struct reap *r)
{
	static const char *const written[] = {".", "due", "peers", "tokens", "guards", "profiles"};

	sweep(r, &(const struct sweeping){"tmp", REAP_ORPHANS, "nobody touched it", tmp_age});
	for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
		sweep_temporary(r, written[i], false);
	sweep_temporary(r, "queue", true);
}

void
reap_logs(struct reap *r)
{
	sweep(r, &(const struct sweeping){"log", REAP_RETENTION, "it was set aside", log_age});
}

void
reap_corrupt(struct reap *r)
{
	sweep(r, &(const struct sweeping){"corrupt", REAP_RETENTION, "it lay there", corrupt_age});
}

/* Is there something in snapshots/ of the directory ${dirfd}? */
static bool
has_snapshots(int dirfd)
{
	const struct dirent *entry;
	bool found = false;

	int fd = openat(dirfd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		file_close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir)) != NULL)
		found = id_valid(entry->d_name) && strcmp(entry->d_name, "incoming") != 0;
	(void)closedir(dir);
	return found;
}

void
reap_unrecorded(struct reap *r, const char *collection, const char *id)
{
	struct reap_deed d;
	char span[32];
	struct err e;

	int parent = home_dir(collection, NULL);
	int64_t age = parent < 0 ? -1 : reap_age(r, parent, id);
	if (age < 0 || age < r->limits.age)
		return;
	int fd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int lockfd = fd < 0 ? -1 : file_lock(fd, "lock", false, NULL);
	/* Whoever creates it holds the lock until it is recorded.  A record that could not be read
	 * is in corrupt/, but what came back is still here. */
	if (lockfd >= 0 && faccessat(fd, "record.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    !has_snapshots(fd)) {
		reap_deed(&d, REAP_ORPHANS, id, "remove", "it has no record, for %s",
			  reap_span(age, span));
		if (reap_should_remove(r, &d))
			reap_did(r, &d, reap_remove(parent, id, &e), &e);
	}
	file_close(lockfd);
	file_close(fd);
}
