#include "delegator/owned.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/listing.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "wire/message.h"

/* Does it belong to ${owner}, or, for NULL, to any caller? */
static bool
is_owned(const json_t *delegation, const char *owner)
{
	const char *theirs = record_owner(delegation);

	return theirs != NULL && (owner == NULL || strcmp(theirs, owner) == 0);
}

int
owned_open(const char *id, const char *owner, struct record *r, struct err *e)
{
	if (record_open(DELEGATIONS, id, false, r, e) == 0) {
		if (is_owned(r->json, owner))
			return 0;
	} else if (e->code != ERR_NOT_FOUND) {
		return -1;
	}
	record_close(r);
	err_set(e, ERR_NOT_FOUND, "Delegation not found: no delegation with id %s", id);
	return err_hint(e, "it was never made with this credential, or is long over");
}

int
owned_check(const char *id, const char *owner, bool *over, struct err *e)
{
	struct record r;

	int status = owned_open(id, owner, &r, e);
	*over = status < 0 ? false : !delegation_is_open(r.json);
	record_close(&r);
	if (!*over)
		return status;
	/* Who ends it saves the record, then the event, under the lock: wait for that. */
	status = record_open(DELEGATIONS, id, true, &r, e);
	record_close(&r);
	return status;
}

bool
owned_followed(const struct record *r)
{
	return file_is_held(r->dirfd, "follow.lock");
}

bool
owned_overdue(const struct record *r)
{
	return !delegation_ended(r->json) && delegation_lease_end(r->json) < clock_now() &&
	       !owned_followed(r);
}

/* The state that callers see: one that is being applied is not over, and one that has expired is an
 * error with that code, for the reference's clients wait for an end that they know. */
static const char *
public_state(const struct record *r)
{
	const char *state = record_state(r->json);

	if (delegation_ended(r->json) && delegation_is_open(r->json))
		return "running";
	return owned_overdue(r) || strcmp(state, "expired") == 0 ? "error" : state;
}

/* Why ${r} is over for who waits, though its end is not known. */
static int
put_overdue(json_t *o)
{
	struct err why;

	err_set(&why, ERR_EXPIRED, "the lease is over, and the executor does not say how it ended");
	err_hint(&why, "what the executor still holds is fetched when it answers again");
	return record_set_error(o, message_describe_error(&why));
}

json_t *
owned_record(const struct record *r)
{
	const char *const members[] = {
	    record_id_path(),
	    record_state_path(),
	    delegation_peer_url_path(),
	    delegation_environment_path(),
	    "exportPath", /* of the reference; ours have none */
	    delegation_task_path(),
	    delegation_lease_path(),
	    delegation_retention_path(),
	    delegation_executor_retention_path(),
	    delegation_active_lease_path(),
	    delegation_executor_work_dir_path(),
	    delegation_executor_constraints_path(),
	    delegation_snapshots_path(),
	    delegation_applied_snapshot_id_path(),
	    delegation_snapshot_policy_path(),
	    delegation_result_path(),
	    record_error_path(),
	    delegation_questions_path(),
	    record_created_at_path(),
	    record_updated_at_path(),
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		json_t *value = json_object_get(r->json, members[i]);
		if (value != NULL && json_object_set(o, members[i], value) < 0)
			goto err;
	}
	if (record_set_state(o, public_state(r)) < 0 || (owned_overdue(r) && put_overdue(o) < 0))
		goto err;
	return o;
err:
	json_decref(o);
	return NULL;
}

json_t *
owned_summary(const struct record *r)
{
	return json_pack("{ss ss ss sO? ss}", record_id_path(), r->id, record_state_path(),
			 public_state(r), "executorUrl", delegation_peer_url(r->json),
			 delegation_environment_path(), delegation_environment(r->json),
			 record_created_at_path(), record_created_at(r->json));
}

int
owned_list(const char *owner, bool unfinished, int (*each)(void *arg, const struct record *r),
	   void *arg, struct err *e)
{
	struct listing l = {0};
	struct record r;
	struct err skipped;
	const char *name = NULL;
	int status, stop = 0;

	int fd = home_dir(unfinished ? DELEGATIONS "/.open" : DELEGATIONS, e);
	if (fd < 0)
		return -1;
	while (stop == 0 && (status = listing_next(&l, fd, &name, e)) == 0 && name != NULL) {
		if (!id_valid(name))
			continue;
		if (record_open(DELEGATIONS, name, false, &r, &skipped) == 0 &&
		    is_owned(r.json, owner))
			stop = each(arg, &r);
		record_close(&r);
	}
	listing_free(&l);
	return stop != 0 ? stop : status;
}
