/*
 * The walk through all records, a few with each run: it adds missing entries to due/, and finds
 * what no entry leads to.
 *
 * The place where the previous run ended is a position in the directory, as getdents(2) gives it,
 * so that a run reads only the part of the directory that it handles, however large that is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "reap/private.h"

#define MAX_RECORDS 256 /* of a collection, in a run */
#define MIN_RECORDS 4   /* however long they take: reading each from the disk may be slow */
#define TIME_MS 1       /* after that no more are begun */

static const struct {
	const char *collection;
	void (*run)(struct reap *r, const char *id);
} walks[REAP_WALKS] = {[REAP_WALK_ASSIGNMENTS] = {"assignments", reap_assignment},
		       [REAP_WALK_DELEGATIONS] = {DELEGATIONS, reap_delegation}};

static bool
has_record(int dirfd, const char *id)
{
	char path[ID_MAX + 16];

	(void)snprintf(path, sizeof path, "%.*s/record.json", ID_MAX, id);
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
walk_record(struct reap *r, enum reap_walk_id which, int dirfd, const char *id)
{
	char name[ID_MAX + 32];
	int fd = openat(dirfd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	(void)snprintf(name, sizeof name, "%s/%.*s", walks[which].collection, ID_MAX, id);
	if (fd >= 0)
		reap_temporary(r, fd, name);
	file_close(fd);
	if (has_record(dirfd, id))
		walks[which].run(r, id);
	else
		reap_unrecorded(r, walks[which].collection, id);
}

/* The next id in ${dir}; at the end it starts over, once, then NULL. */
static const char *
next_id(DIR *dir, int64_t *cursor, bool *again)
{
	const struct dirent *d;

	for (;;) {
		d = readdir(dir);
		if (d == NULL && !*again)
			return NULL;
		if (d == NULL) {
			*again = false;
			*cursor = 0;
			rewinddir(dir);
			continue;
		}
		*cursor = d->d_off;
		if (id_valid(d->d_name))
			return d->d_name;
	}
}

void
reap_walk(struct reap *r, enum reap_walk_id which)
{
	int64_t until = clock_steady() + TIME_MS, *cursor = &r->state.cursor[which];
	bool again = *cursor != 0;
	const char *id = NULL;
	int seen = 0;

	DIR *dir = home_list(walks[which].collection);
	if (dir == NULL)
		return;
	if (again)
		seekdir(dir, (long)*cursor);
	for (; seen < MAX_RECORDS && (seen < MIN_RECORDS || clock_steady() <= until); seen++) {
		if ((id = next_id(dir, cursor, &again)) == NULL) {
			*cursor = 0;
			break;
		}
		walk_record(r, which, dirfd(dir), id);
	}
	(void)closedir(dir);
}
