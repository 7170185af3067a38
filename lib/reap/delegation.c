/*
 * Delegations: one that is under way gets a follower; one that was never handed over ends with the
 * lease that it would have had; one that has ended is kept until its retention is over, and longer
 * while a snapshot waits for a person.
 */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "reap/private.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* Was ${json} handed over, or left to a program to be? */
static bool
goes_on_alone(const json_t *json)
{
	const char *state = record_state(json);

	return record_owner(json) != NULL || strcmp(state, "started") == 0 ||
	       strcmp(state, "running") == 0 || delegation_waits(json);
}

static int64_t
start_follower(struct reap *r, struct record *delegation, int64_t idle)
{
	char *const argv[] = {(char *)"awcp-watch", (char *)"-q", delegation->id, NULL};
	struct reap_action action;
	char span[32];
	struct err e;

	reap_describe(&action, REAP_FOLLOWERS, delegation->id, "follow",
		      "it is %s, and for %s nobody followed it", record_state(delegation->json),
		      reap_span(idle, span));
	if (!reap_may(r, &action))
		return -1;
	int status = reap_start(r, delegation, argv, &e);
	if (status < 0 && e.code == ERR_BUSY)
		return -1; /* by the next run */
	reap_done(r, &action, status, &e);
	return r->now + (r->limits.follow_after > 0 ? r->limits.follow_after : 1);
}

/* End ${delegation}, which was never handed over. */
static int64_t
expire_delegation(struct reap *r, struct record *delegation)
{
	struct reap_action action;
	struct err why, e;

	err_set(&why, ERR_EXPIRED, "its time was over before it was handed over");
	reap_describe(&action, REAP_LEASES, delegation->id, "expire", "%s", why.message);
	if (!reap_may(r, &action))
		return -1;
	int status = delegation_end_record(delegation, FSM_EXPIRE, &why, &e);
	reap_done(r, &action, status, &e);
	return status < 0 ? r->now + REAP_RETRY_MS : delegation_kept_until(delegation->json);
}

/* ${delegation} has not ended, or is not applied yet. */
static int64_t
check_unfinished_delegation(struct reap *r, struct record *delegation)
{
	int64_t changed = 0, lease = delegation_lease_end(delegation->json);

	if (file_is_held(delegation->dirfd, "follow.lock"))
		return r->now + r->limits.follow_after;
	(void)clock_parse(record_updated_at(delegation->json), &changed, NULL);
	if (r->now >= changed && r->now < changed + r->limits.follow_after)
		return changed + r->limits.follow_after; /* who works on it may just change hands */
	if (goes_on_alone(delegation->json))
		return start_follower(r, delegation, r->now - changed);
	/* A person may hand it over yet. */
	return lease <= r->now ? expire_delegation(r, delegation) : lease;
}

/* ${delegation} has ended, and its time here is over. */
static int64_t
remove_ended(struct reap *r, struct record *delegation, int64_t until)
{
	int64_t kept = delegation_retention(delegation->json);
	const char *snapshot = reap_snapshot_pending(delegation->json);
	struct reap_action action;
	char span[32];
	struct err e;

	if (snapshot != NULL) {
		if (r->doubt || !reap_wants(r, REAP_RETENTION))
			return -1;
		if (!r->options->dry && r->due != NULL)
			reap_warn(r,
				  "%s waits to be applied since %s; awcp-snapshot apply or "
				  "discard %s",
				  snapshot, record_updated_at(delegation->json), delegation->id);
		return r->now + (kept > DAY_MS ? kept : DAY_MS);
	}
	if (file_is_held(delegation->dirfd, "follow.lock") || reap_snapshot_busy(delegation))
		return r->now + r->limits.follow_after;
	reap_describe(&action, REAP_RETENTION, delegation->id, "remove", "it was kept until %s ago",
		      reap_span(r->now - until, span));
	if (!reap_may_remove(r, &action))
		return -1;
	int status = reap_remove_record(delegation, &action, &e);
	reap_done(r, &action, status, &e);
	return status < 0 ? r->now + REAP_RETRY_MS : 0;
}

static int64_t
check_ended_delegation(struct reap *r, struct record *delegation)
{
	struct err e;

	/* Whoever ended it may have been killed before the journal said so. */
	if (!r->options->dry && delegation_finish_journal(delegation, &e) < 0)
		reap_warn(r, "%s: %s", delegation->id, e.message);
	int64_t next = reap_snapshots(r, delegation);
	if (next < 0)
		return next;
	if (delegation_is_open(delegation->json))
		return check_unfinished_delegation(r, delegation);
	int64_t until = delegation_kept_until(delegation->json);
	if (until <= r->now)
		return remove_ended(r, delegation, until);
	return next < until ? next : until;
}

void
reap_delegation(struct reap *r, const char *id)
{
	struct record delegation;
	int64_t again = 0;
	struct err e;

	if (record_open(DELEGATIONS, id, !r->options->dry, &delegation, &e) < 0) {
		if (e.code == ERR_BAD_DATA)
			reap_warn(r, "%s; %s", e.message, e.hint);
	} else if (delegation_ended(delegation.json)) {
		again = check_ended_delegation(r, &delegation);
	} else {
		again = check_unfinished_delegation(r, &delegation);
	}
	if (again >= 0)
		reap_again(r, DELEGATION_DUE, id, again == INT64_MAX ? 0 : again);
	delegation_close(&delegation);
}
