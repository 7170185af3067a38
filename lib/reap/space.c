/*
 * The disk: when less is free than AWCP_MIN_FREE, or too few inodes, records are removed before
 * their time, the oldest first, until there is room again.
 *
 * The order is that of due/: first delegations whose result was taken or refused, or that had none,
 * then assignments that failed.  A result that waits to be fetched or applied is never removed: it
 * would cost work to make it again.
 */
#include <string.h>

#include "assignment/due.h"
#include "assignment/private.h"
#include "base/file.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "reap/private.h"
#include "state/space.h"

#define MAX_ENTRIES 10000     /* at most, in a run */
#define WARN_MS (3600 * 1000) /* between two warnings */

/* May ${json} go before its time? */
struct class
{
	const char *due, *collection;
	bool (*worthless)(const json_t *json);
};

static bool
is_settled(const json_t *json)
{
	return delegation_ended(json) && reap_snapshot_pending(json) == NULL;
}

static bool
has_failed(const json_t *json)
{
	return assignment_ended(json) && json_object_get(json, "error") != NULL;
}

static const struct class classes[] = {{DELEGATION_DUE, DELEGATIONS, is_settled},
				       {ASSIGNMENT_DUE, ASSIGNMENTS, has_failed}};

/* Is as much free as is to be?  If not, ${why} says what is. */
static bool
has_room(struct err *why)
{
	int homefd = home_open(why);

	return homefd < 0 || space_for(homefd, 0, 0, why) == 0 || why->code != ERR_NO_SPACE;
}

/* Is somebody working with ${r}? */
static bool
is_busy(const struct record *r)
{
	return file_is_held(r->dirfd, ASSIGNMENT_BUSY) || file_is_held(r->dirfd, "follow.lock") ||
	       reap_snapshot_busy(r);
}

/* Remove ${id} if that is allowed.  True if it was removed. */
static bool
remove_record_for_space(struct reap *r, const struct class *c, const char *id,
			const struct err *why)
{
	struct record record;
	struct reap_action action;
	bool gone = false;
	struct err e;

	if (record_open(c->collection, id, !r->options->dry, &record, &e) == 0 &&
	    c->worthless(record.json) && !is_busy(&record)) {
		reap_describe(&action, REAP_SPACE, id, "remove",
			      "%s; it has ended, and nothing of it waits", why->message);
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
	struct err e, why;
	int examined = 0;

	bool room = has_room(&why);
	struct due *d = due_open(INT64_MAX, &e);
	while (d != NULL && !room && examined < MAX_ENTRIES && due_next(d, &entry, &e) > 0) {
		if (strcmp(entry.kind, c->due) != 0)
			continue;
		examined++;
		if (!remove_record_for_space(r, c, entry.id, &why))
			continue;
		due_drop(d);
		(*gone)++;
		room = has_room(&why);
	}
	due_close(d, false);
	return room;
}

void
reap_space(struct reap *r)
{
	size_t gone = 0;
	struct err why;

	if (!r->options->dry)
		space_reserve();
	bool room = has_room(&why);
	if (room)
		return;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0] && !room; i++)
		room = make_room(r, &classes[i], &gone);
	bool warned = r->now >= r->state.warned && r->now < r->state.warned + WARN_MS;
	if (r->options->dry || (warned && gone == 0))
		return;
	r->state.warned = r->now;
	(void)has_room(&why);
	if (room)
		reap_warn(r, "%zu records were removed before their time, and there is room again",
			  gone);
	else
		reap_warn(
		    r,
		    "%zu records were removed before their time, and nothing else may go: %s; %s",
		    gone, why.message, why.hint);
}
