/* Leftovers: temporary files of writers that died, directories of creations that were cut off. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "reap/private.h"

void
reap_temporary(struct reap *r, int parentfd, const char *name)
{
	char id[600], span[32];
	struct reap_action action;
	struct err e;

	DIR *dir = file_list(parentfd, ".");
	for (const char *file; (file = file_next(&dir)) != NULL;) {
		if (strncmp(file, FILE_TEMPORARY, sizeof FILE_TEMPORARY - 1) != 0)
			continue;
		int64_t age = reap_age(r, parentfd, file);
		if (age < r->limits.leftover_age)
			continue;
		(void)snprintf(id, sizeof id, "%.300s/%.255s", name, file);
		reap_describe(&action, REAP_ORPHANS, id, "remove", "nobody touched it for %s",
			      reap_span(age, span));
		if (!reap_may_remove(r, &action))
			continue;
		int status = unlinkat(parentfd, file, 0);
		if (status < 0 && errno == ENOENT)
			status = 0;
		if (status < 0)
			err_sys(&e, "cannot remove it");
		reap_done(r, &action, status, &e);
	}
}

void
reap_temporaries(struct reap *r, const char *name, bool deep)
{
	char path[512];

	DIR *dir = home_list(name);
	if (dir != NULL)
		reap_temporary(r, dirfd(dir), name);
	for (const char *one; (one = file_next(&dir)) != NULL;) {
		if (!deep || one[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/%.255s", name, one);
		reap_temporaries(r, path, false);
	}
}

/* Is there something in snapshots/ of the directory ${dirfd}? */
static bool
has_snapshots(int dirfd)
{
	bool found = false;

	DIR *dir = file_list(dirfd, "snapshots");
	for (const char *name; (name = file_next(&dir)) != NULL;)
		found |= id_valid(name) && strcmp(name, "incoming") != 0;
	return found;
}

void
reap_unrecorded(struct reap *r, const char *collection, const char *id)
{
	struct reap_action action;
	char span[32];
	struct err e;

	int parent = home_dir(collection, NULL);
	int64_t age = parent < 0 ? -1 : reap_age(r, parent, id);
	if (age < 0 || age < r->limits.leftover_age)
		return;
	int fd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int lockfd = fd < 0 ? -1 : file_lock(fd, "lock", false, NULL);
	/* Whoever creates it holds the lock until it is recorded.  A record that could not be read
	 * is in corrupt/, but what came back is still here. */
	if (lockfd >= 0 && faccessat(fd, "record.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    !has_snapshots(fd)) {
		reap_describe(&action, REAP_ORPHANS, id, "remove", "it has no record, for %s",
			      reap_span(age, span));
		if (reap_may_remove(r, &action))
			reap_done(r, &action, reap_remove(parent, id, &e), &e);
	}
	file_close(lockfd);
	file_close(fd);
}
