/*
 * The disk: when less than AWCP_MIN_FREE is free, records are removed before their time, the oldest
 * first, until there is room again.
 *
 * The order is that of due/: first delegations whose result was taken or refused, or that had none,
 * then assignments that failed.  A result that waits to be fetched or applied is never removed: it
 * would cost work to make it again.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "assignment/due.h"
#include "assignment/private.h"
#include "base/file.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "reap/private.h"

#define MAX_ENTRIES 10000     /* at most, in a run */
#define WARN_MS (3600 * 1000) /* between two warnings */
#define MIB (1024 * 1024)

/* May ${json} go before its time? */
struct class
{
	const char *due, *collection;
	bool (*worthless)(const json_t *json);
};

static bool
is_settled(const json_t *json)
{
	json_t *one;
	size_t i;

	if (!delegation_ended(json))
		return false;
	json_array_foreach (delegation_snapshots(json), i, one)
		if (strcmp(snapshot_status(one), "pending") == 0)
			return false;
	return true;
}

static bool
has_failed(const json_t *json)
{
	return assignment_ended(json) && json_object_get(json, "error") != NULL;
}

static const struct class classes[] = {{DELEGATION_DUE, DELEGATIONS, is_settled},
				       {ASSIGNMENT_DUE, ASSIGNMENTS, has_failed}};

static uint64_t
free_space(void)
{
	int homefd = home_open(NULL);

	return homefd < 0 ? UINT64_MAX : file_space(homefd);
}

/* Is somebody working with ${r}? */
static bool
is_busy(const struct record *r)
{
	static const char *const locks[] = {ASSIGNMENT_BUSY, "follow.lock"};
	bool busy = false;

	for (size_t i = 0; i < sizeof locks / sizeof locks[0] && !busy; i++) {
		if (faccessat(r->dirfd, locks[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		int fd = file_lock(r->dirfd, locks[i], false, NULL);
		busy = fd < 0;
		file_close(fd);
	}
	return busy || reap_snapshot_busy(r);
}

/* Remove ${id} if that is allowed.  True if it was removed. */
static bool
remove_record_for_space(struct reap *r, const struct class *c, const char *id, uint64_t left)
{
	struct record record;
	struct reap_action action;
	bool gone = false;
	struct err e;

	if (record_open(c->collection, id, !r->options->dry, &record, &e) == 0 &&
	    c->worthless(record.json) && !is_busy(&record)) {
		reap_describe(
		    &action, REAP_SPACE, id, "remove",
		    "only %llu MiB are free, less than %llu; it has ended, and nothing of it "
		    "waits",
		    (unsigned long long)left / MIB, (unsigned long long)r->policy.min_free / MIB);
		if (reap_may(r, &action)) {
			int status = reap_remove_record(&record, &action, &e);
			reap_done(r, &action, status, &e);
			gone = status == 0;
		}
	}
	record_close(&record);
	return gone;
}

/* Remove records of class ${c}, the oldest first, until there is room: true then. */
static bool
make_room(struct reap *r, const struct class *c, size_t *gone)
{
	struct due_entry entry;
	struct err e;
	int examined = 0;

	uint64_t left = free_space();
	struct due *d = due_open(INT64_MAX, &e);
	while (d != NULL && left < (uint64_t)r->policy.min_free && examined < MAX_ENTRIES &&
	       due_next(d, &entry, &e) > 0) {
		if (strcmp(entry.kind, c->due) != 0)
			continue;
		examined++;
		if (!remove_record_for_space(r, c, entry.id, left))
			continue;
		due_drop(d);
		(*gone)++;
		left = free_space();
	}
	due_close(d, false);
	return left >= (uint64_t)r->policy.min_free;
}

void
reap_space(struct reap *r)
{
	size_t gone = 0;
	bool room = free_space() >= (uint64_t)r->policy.min_free;

	if (room)
		return;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0] && !room; i++)
		room = make_room(r, &classes[i], &gone);
	bool warned = r->now >= r->state.warned && r->now < r->state.warned + WARN_MS;
	if (r->options->dry || (warned && gone == 0))
		return;
	r->state.warned = r->now;
	reap_warn(r,
		  "the disk is nearly full: %zu records were removed before their time, %llu MiB "
		  "are free%s",
		  gone, (unsigned long long)free_space() / MIB,
		  room ? "" : ", and nothing else may go; make room, or lower AWCP_MIN_FREE");
}
