/*
 * Hints: .open/<id> stands for an unfinished record, and is removed when that ends or is removed;
 * if a crash came in between, it is removed here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "reap/private.h"

static bool
delegation_closed(const json_t *json)
{
	return !delegation_is_open(json);
}

static const struct open_hints {
	const char *collection;
	bool (*closed)(const json_t *json);
} hints[] = {{ASSIGNMENTS, assignment_ended}, {DELEGATIONS, delegation_closed}};

/* Is ${name} a hint of nothing?  Checked under the record's lock if ${lock}.  A hint without a
 * record may belong to a record that is being created; its time of modification has another
 * meaning. */
static bool
is_stale(const struct reap *r, const struct open_hints *h, int openfd, const char *name,
	 struct record *record, bool lock)
{
	struct stat st;
	struct err e;

	if (record_open(h->collection, name, lock, record, &e) == 0)
		return h->closed(record->json);
	return e.code == ERR_NOT_FOUND && fstatat(openfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (int64_t)st.st_ctim.tv_sec * 1000 + r->limits.leftover_age <= r->now;
}

static void
check_hint(struct reap *r, const struct open_hints *h, int openfd, const char *name)
{
	struct record record;
	struct reap_action action;
	struct err e;

	bool stale = is_stale(r, h, openfd, name, &record, false);
	record_close(&record);
	if (!stale)
		return;
	reap_describe(&action, REAP_ORPHANS, name, "forget",
		      "nothing of it is unfinished any more");
	if (!reap_may(r, &action))
		return;
	if (is_stale(r, h, openfd, name, &record, true))
		reap_done(r, &action,
			  unlinkat(openfd, name, 0) < 0 ? err_sys(&e, "cannot remove it") : 0, &e);
	record_close(&record);
}

void
reap_open(struct reap *r)
{
	char path[64];

	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/.open", hints[i].collection);
		DIR *dir = home_list(path);
		for (const char *name; (name = file_next(&dir)) != NULL;)
			if (id_valid(name))
				check_hint(r, &hints[i], dirfd(dir), name);
	}
}
