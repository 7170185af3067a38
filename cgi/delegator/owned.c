#include "delegator/owned.h"

#include <string.h>

#include "delegation/delegation.h"
#include "delegation/members.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "base/listing.h"

int
lent_open(const char *id, const char *owner, struct record *r, struct err *e)
{
	int status = record_open(DELEGATIONS, id, false, r, e);
	const char *theirs = status == 0 ? delegation_owner(r->json) : NULL;

	if (status == 0 && (theirs == NULL || strcmp(theirs, owner) != 0)) {
		record_close(r);
		status = err_set(e, ERR_NOT_FOUND, "no delegation with id %s", id);
	}
	if (status < 0 && e->code == ERR_NOT_FOUND) {
		err_set(e, ERR_NOT_FOUND, "Delegation not found: no delegation with id %s", id);
		err_hint(e, "it was never made with this credential, or is long over");
	}
	return status;
}

/* Completed, but for what its follower, or the next one, is yet to do. */
static bool
is_being_applied(const struct record *r)
{
	return delegation_waits(r->json) && delegation_apply_error(r->json) == NULL;
}

bool
lent_over(const struct record *r)
{
	return delegation_ended(r->json) && !is_being_applied(r);
}

int
lent_look(const char *id, const char *owner, bool *over, struct err *e)
{
	struct record r;

	int status = lent_open(id, owner, &r, e);
	*over = status == 0 && lent_over(&r);
	record_close(&r);
	if (!*over)
		return status;
	/* Who ends it saves the record, then the event, under the lock: wait for that. */
	status = record_open(DELEGATIONS, id, true, &r, e);
	record_close(&r);
	return status;
}

static const char *
state_of(const struct record *r)
{
	return is_being_applied(r) ? "running" : delegation_state(r->json);
}

json_t *
lent_record(const struct record *r)
{
	static const char *const members[] = {
	    "id",
	    "state",
	    "peerUrl",
	    "environment",
	    "exportPath",
	    "task",
	    "leaseConfig",
	    "retentionMs",
	    "executorRetentionMs",
	    "activeLease",
	    "executorWorkDir",
	    "executorConstraints",
	    "snapshots",
	    "appliedSnapshotId",
	    "snapshotPolicy",
	    "result",
	    "error",
	    "questions",
	    "createdAt",
	    "updatedAt",
	};
	json_t *o = json_object();

	for (size_t i = 0; o != NULL && i < sizeof members / sizeof members[0]; i++) {
		json_t *value = json_object_get(r->json, members[i]);
		if (value != NULL && json_object_set(o, members[i], value) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	if (o != NULL)
		(void)jsonx_set(o, "state", state_of(r));
	return o;
}

json_t *
lent_summary(const struct record *r)
{
	return json_pack("{ss ss ss sO? ss}", "id", r->id, "state", state_of(r), "executorUrl",
			 delegation_peer_url(r->json), "environment",
			 delegation_environment(r->json), "createdAt",
			 delegation_created_at(r->json));
}

int
lent_list(const char *owner, bool unfinished, int (*each)(void *arg, const struct record *r),
	  void *arg, struct err *e)
{
	struct listing l = {0};
	struct record r;
	struct err passed;
	const char *name = NULL;
	int status, stop = 0;

	int fd = home_dir(unfinished ? DELEGATIONS "/.open" : DELEGATIONS, e);
	if (fd < 0)
		return -1;
	while (stop == 0 && (status = listing_next(&l, fd, &name, e)) == 0 && name != NULL) {
		if (!id_valid(name))
			continue;
		if (record_open(DELEGATIONS, name, false, &r, &passed) == 0) {
			const char *theirs = delegation_owner(r.json);
			if (theirs != NULL && (owner == NULL || strcmp(theirs, owner) == 0))
				stop = each(arg, &r);
		}
		record_close(&r);
	}
	listing_free(&l);
	return stop != 0 ? stop : status;
}
