/*
 * What was not handed over is begun; what its executor has lost is handed over once more.
 *
 * In the second case the delegation stays started or running, as it is; "restarts" in its record
 * says when.  If this fails, nothing has changed, and it can be tried again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "delegation/members.h"
#include "wire/members.h"

/* Was ${delegation} not handed over yet? */
static bool
is_here(const json_t *delegation)
{
	const char *state = delegation_state(delegation);

	return strcmp(state, "created") == 0 || strcmp(state, "invited") == 0 ||
	       strcmp(state, "accepted") == 0;
}

/* Is ${delegation} at work, as far as we know, and nothing of it here? */
static bool
is_out(const json_t *delegation)
{
	const char *state = delegation_state(delegation);

	return (strcmp(state, "started") == 0 || strcmp(state, "running") == 0) &&
	       delegation_applied_snapshot_id(delegation) == NULL;
}

/* Does the executor say that it does not know it? */
static bool
is_lost(struct lend *l)
{
	struct err unreachable;
	int http = 0;

	json_t *o = follow_result(l, false, &http, &unreachable);
	bool lost = strcmp(event_status(o), "not_found") == 0;
	json_decref(o);
	return lost;
}

static int
note_restart(const struct lend *l, struct err *e)
{
	char now[CLOCK_TEXT];
	struct record r;

	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	if (status == 0 && delegation_restarts(r.json) == NULL &&
	    json_object_set_new(r.json, "restarts", json_array()) < 0)
		status = err_memory(e);
	if (status == 0)
		status = jsonx_append(delegation_restarts(r.json), clock_format(clock_now(), now));
	if (status == 0)
		status = delegation_save(&r, true, e);
	record_close(&r);
	return status;
}

/* What was packed for the last ACCEPT must suit this one, too. */
static int
check_archive(const json_t *before, const json_t *now, struct err *e)
{
	static const char *const agreed[] = {"fidelity", "times"};

	for (size_t i = 0; i < sizeof agreed / sizeof agreed[0]; i++)
		if (json_is_true(json_object_get(before, agreed[i])) &&
		    !json_is_true(json_object_get(now, agreed[i])))
			return err_set(e, ERR_DEP_MISSING,
				       "the executor cannot take any more what was packed for it");
	return 0;
}

/* INVITE and START once more for ${before}, which is out. */
static int
begin_again(struct lend *l, json_t *before, struct err *e)
{
	json_t *now = NULL;
	int status = -1;

	lend_note(l, "the executor has lost it; handing it over again");
	if (note_restart(l, e) < 0 || lend_invite(l, before, e) < 0 ||
	    (now = lend_record(l, e)) == NULL || check_archive(before, now, e) < 0 ||
	    follow_connect(l, NULL, e) < 0)
		goto out;
	/* As in lend_begin: an event shows that it arrived. */
	if (lend_start(l, now, e) == 0 || l->last != NULL)
		status = 0;
out:
	json_decref(now);
	return status;
}

int
lend_resume(struct lend *l, struct err *e)
{
	json_t *o = lend_record(l, e);
	int status = o == NULL ? -1 : 0;

	if (o != NULL && is_here(o))
		status = lend_begin(l, e);
	else if (o != NULL && is_out(o) && is_lost(l))
		status = begin_again(l, o, e);
	json_decref(o);
	return status;
}

int
lend_go_on(struct lend *l, int64_t until, struct err *e)
{
	json_t *o = lend_record(l, e);
	int status = o == NULL ? -1 : 0;

	if (o != NULL && is_here(o))
		status = lend_begin(l, e);
	json_decref(o);
	return status == 0 ? lend_follow(l, until, e) : -1;
}
