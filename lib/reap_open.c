/*
 * Records that are gone: .open/<id> stands for an unfinished record, and goes with it; after a
 * crash in between it does here.
 */
#include "reap_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "delegation.h"
#include "home.h"
#include "id.h"

static const char *const collections[] = {"assignments", DELEGATIONS};

/* Was ${name} made long ago, and is there no record?  Its time of modification says when it is due.
 */
static bool
is_stale(const struct reap *r, int openfd, const char *name)
{
	char path[ID_MAX + 32];
	struct stat st;

	(void)snprintf(path, sizeof path, "../%.*s/record.json", ID_MAX, name);
	return faccessat(openfd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
	       fstatat(openfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (int64_t)st.st_ctim.tv_sec * 1000 + r->limits.age <= r->now;
}

void
reap_open(struct reap *r)
{
	const struct dirent *entry;
	struct reap_deed d;
	char path[64];
	struct err e;

	for (size_t i = 0; i < sizeof collections / sizeof collections[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/.open", collections[i]);
		DIR *dir = home_list(path);
		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			if (!id_valid(entry->d_name) || !is_stale(r, dirfd(dir), entry->d_name))
				continue;
			reap_deed(&d, REAP_ORPHANS, entry->d_name, "forget",
				  "there is no record of it");
			if (reap_should(r, &d))
				reap_did(r, &d,
					 unlinkat(dirfd(dir), entry->d_name, 0) < 0
					     ? err_sys(&e, "cannot remove it")
					     : 0,
					 &e);
		}
		if (dir != NULL)
			(void)closedir(dir);
	}
}
