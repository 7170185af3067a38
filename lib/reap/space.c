/*
 * The disk: when less than AWCP_MIN_FREE is free, what is worth least goes before its time, the
 * oldest first, until there is room again.
 *
 * due/ has what has ended in the order in which it would go, so that is the order here, too: first
 * the delegations whose result was taken or refused, or that had none, then the assignments that
 * failed.  A result that waits to be fetched or applied is work that is not done again for nothing:
 * it stays, whatever the disk says.
 */
#include "reap/private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "assignment/due.h"
#include "assignment/private.h"
#include "delegation/delegation.h"
#include "delegation/due.h"
#include "delegation/members.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"

#define LOOKS 10000           /* at most, in a run */
#define TELL_MS (3600 * 1000) /* between two complaints */
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
	return assignment_ended(json) &&
	       json_object_get(json, "error") != NULL;
}

static const struct class classes[] = {{DELEGATION_DUE, DELEGATIONS, is_settled},
				       {ASSIGNMENT_DUE, ASSIGNMENTS, has_failed}};

static uint64_t
space(void)
{
	int homefd = home_open(NULL);

	return homefd < 0 ? UINT64_MAX : file_space(homefd);
}

/* Does somebody work with ${r}? */
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
	return busy || reap_snapshot_at_work(r);
}

/* Remove ${id}, if it may go.  True if it went. */
static bool
retire(struct reap *r, const struct class *c, const char *id, uint64_t left)
{
	struct record record;
	struct reap_deed d;
	bool gone = false;
	struct err e;

	if (record_open(c->collection, id, !r->options->dry, &record, &e) == 0 &&
	    c->worthless(record.json) && !is_busy(&record)) {
		reap_deed(&d, REAP_SPACE, id, "remove",
			  "only %llu MiB are free, less than %llu; it has ended, and nothing of it "
			  "waits",
			  (unsigned long long)left / MIB,
			  (unsigned long long)r->policy.min_free / MIB);
		if (reap_should(r, &d)) {
			int status = reap_remove_record(&record, &d, &e);
			reap_did(r, &d, status, &e);
			gone = status == 0;
		}
	}
	record_close(&record);
	return gone;
}

/* Retire what ${c} lets go; the oldest first.  True when there is room. */
static bool
make_room(struct reap *r, const struct class *c, size_t *gone)
{
	struct due_entry entry;
	struct err e;
	int looks = 0;

	uint64_t left = space();
	struct due *d = due_open(INT64_MAX, &e);
	while (d != NULL && left < (uint64_t)r->policy.min_free && looks < LOOKS &&
	       due_next(d, &entry, &e) > 0) {
		if (strcmp(entry.kind, c->due) != 0)
			continue;
		looks++;
		if (!retire(r, c, entry.id, left))
			continue;
		due_drop(d);
		(*gone)++;
		left = space();
	}
	due_close(d, false);
	return left >= (uint64_t)r->policy.min_free;
}

void
reap_space(struct reap *r)
{
	size_t gone = 0;
	bool room = space() >= (uint64_t)r->policy.min_free;

	if (room)
		return;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0] && !room; i++)
		room = make_room(r, &classes[i], &gone);
	bool told = r->now >= r->state.told && r->now < r->state.told + TELL_MS;
	if (r->options->dry || (told && gone == 0))
		return;
	r->state.told = r->now;
	reap_trouble(
	    r,
	    "the disk is nearly full: %zu records were retired before their time, %llu MiB "
	    "are free%s",
	    gone, (unsigned long long)space() / MIB,
	    room ? "" : ", and nothing else may go; make room, or lower AWCP_MIN_FREE");
}
