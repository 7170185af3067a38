#include "delegation/due.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "state/due.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "config/settings.h"

#define FOLLOW_MS 300000 /* after that it is looked whether somebody follows it */

/* The retention of what was changed at ${from}. */
static int64_t
kept_from(const json_t *delegation, int64_t from)
{
	int64_t kept = delegation_retention(delegation);

	return kept < 0 || kept > INT64_MAX - from ? INT64_MAX : from + kept;
}

int64_t
delegation_kept_until(const json_t *delegation)
{
	int64_t changed;

	if (clock_parse(delegation_updated_at(delegation), &changed, NULL) < 0)
		return INT64_MAX;
	return kept_from(delegation, changed);
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
	if (clock_parse(delegation_created_at(delegation), &when, NULL) < 0)
		return -1;
	return when + delegation_ttl(delegation) * 1000;
}

void
delegation_note_due(const struct record *r)
{
	int64_t now = clock_now();
	long long undo;

	if (!delegation_ended(r->json)) {
		if (r->created)
			due_set(DELEGATION_DUE, r->id, now + FOLLOW_MS);
		return;
	}
	int64_t until = kept_from(r->json, now);
	due_set(DELEGATION_DUE, r->id, until);
	if (delegation_applied_snapshot_id(r->json) != NULL &&
	    delegation_undo_retention(&undo, NULL) == 0 && now + undo < until)
		due_set(DELEGATION_DUE, r->id, now + undo);
	if (delegation_waits(r->json))
		due_set(DELEGATION_DUE, r->id, now + FOLLOW_MS);
}
