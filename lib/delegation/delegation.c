#include "delegation/delegation.h"

#include <string.h>

#include "base/clock.h"
#include "config/settings.h"
#include "delegation/credential.h"
#include "delegation/members.h"
#include "process/hook.h"
#include "state/due.h"
#include "wire/message.h"

#define FOLLOW_MS 300000 /* after that, reap checks whether somebody follows it */

bool
delegation_is(const json_t *delegation, const char *state)
{
	return strcmp(record_state(delegation), state) == 0;
}

bool
delegation_ended(const json_t *delegation)
{
	return fsm_ended(&fsm_delegation, record_state(delegation));
}

bool
delegation_waits(const json_t *delegation)
{
	const json_t *one;
	bool pending = false;
	size_t i;

	if (!delegation_is(delegation, "completed") ||
	    strcmp(delegation_snapshot_mode(delegation), "auto") != 0 ||
	    delegation_applied_snapshot_id(delegation) != NULL)
		return false;
	json_array_foreach (delegation_snapshots(delegation), i, one) {
		if (snapshot_undone_at(one) != NULL)
			return false;
		pending |= strcmp(snapshot_status(one), "pending") == 0;
	}
	return pending;
}

bool
delegation_is_open(const json_t *delegation)
{
	return !delegation_ended(delegation) ||
	       (delegation_waits(delegation) && delegation_apply_error(delegation) == NULL);
}

/* The end of its retention, if it was last changed at ${changed}. */
static int64_t
retention_end(const json_t *delegation, int64_t changed)
{
	int64_t kept = delegation_retention(delegation);

	return kept < 0 || kept > INT64_MAX - changed ? INT64_MAX : changed + kept;
}

int64_t
delegation_kept_until(const json_t *delegation)
{
	int64_t changed;

	if (clock_parse(record_updated_at(delegation), &changed, NULL) < 0)
		return INT64_MAX;
	return retention_end(delegation, changed);
}

int
delegation_undo_retention(long long *ms, struct err *e)
{
	if (setting_number(SETTING_UNDO_RETENTION, ms, e) < 0)
		return -1;
	*ms = *ms > INT64_MAX / 2000 ? INT64_MAX / 2 : *ms * 1000;
	return 0;
}

int64_t
delegation_lease_end(const json_t *delegation)
{
	int64_t when;

	if (clock_parse(delegation_lease_expires_at(delegation), &when, NULL) == 0)
		return when;
	if (clock_parse(record_created_at(delegation), &when, NULL) < 0)
		return -1;
	return when + delegation_ttl(delegation) * 1000;
}

/* Note in due/ when reap is to see ${r}, which is about to be saved.  One that is under way gets an
 * entry when it is created; then reap sets the next one. */
static void
note_due(const struct record *r)
{
	int64_t now = clock_now();
	long long undo;

	if (!delegation_ended(r->json)) {
		if (r->created)
			due_set(DELEGATION_DUE, r->id, now + FOLLOW_MS);
		return;
	}
	int64_t until = retention_end(r->json, now);
	due_set(DELEGATION_DUE, r->id, until);
	if (delegation_applied_snapshot_id(r->json) != NULL &&
	    delegation_undo_retention(&undo, NULL) == 0 && now + undo < until)
		due_set(DELEGATION_DUE, r->id, now + undo);
	if (delegation_waits(r->json))
		due_set(DELEGATION_DUE, r->id, now + FOLLOW_MS);
}

int
delegation_save(struct record *r, bool durable, struct err *e)
{
	bool ended = delegation_ended(r->json);

	if (ended) {
		delegation_drop_auth(r->json);
		delegation_drop_questions(r->json);
	}
	note_due(r);
	if (record_save(r, delegation_is_open(r->json), durable, e) < 0)
		return -1;
	if (ended)
		credential_remove(r);
	return 0;
}

void
delegation_close(struct record *r)
{
	json_t *json = r->hook != NULL ? json_incref(r->json) : NULL;

	record_close(r);
	if (json != NULL)
		hook_notify(r->hook, r->id, json);
	json_decref(json);
}

int
delegation_outcome(const json_t *delegation, struct err *e)
{
	const json_t *error = record_error(delegation);

	if (delegation_is(delegation, "completed"))
		return 0;
	if (error != NULL) {
		message_error(error, e);
		return err_add(e, "%s", record_state(delegation));
	}
	if (delegation_is(delegation, "cancelled"))
		return err_set(e, ERR_CANCELLED, "it was cancelled");
	if (delegation_is(delegation, "expired"))
		return err_set(e, ERR_EXPIRED, "its lease has ended");
	return err_set(e, ERR_BUSY, "it is %s", record_state(delegation));
}
