/* The end of a delegation: in the record first, then in the journal. */
#include "delegation/delegation.h"
#include "delegation/members.h"

#include <string.h>

#include "base/jsonx.h"
#include "feed/feed.h"
#include "wire/message.h"
#include "wire/members.h"

/* The snapshots of a completed ${delegation}, as "done" names them. */
static int
name_snapshots(const json_t *delegation, json_t *event)
{
	json_t *ids = json_array(), *item;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation), i, item) {
		const char *id = snapshot_id(item);
		if (json_array_append_new(ids, json_string(id)) < 0 ||
		    (snapshot_recommended(item) && event_set_recommended_id(event, id) < 0)) {
			json_decref(ids);
			return -1;
		}
	}
	if (json_array_size(ids) > 0)
		return json_object_set_new(event, "snapshotIds", ids);
	json_decref(ids);
	return 0;
}

int
delegation_settle(struct record *r, struct err *e)
{
	bool completed = strcmp(delegation_state(r->json), "completed") == 0;
	int status = -1;

	if (!delegation_ended(r->json))
		return 0;
	json_t *event = message_event(completed ? "done" : "error", r->id, e);
	if (event == NULL)
		return -1;
	json_t *what = json_object_get(r->json, completed ? "result" : "error");
	if ((what != NULL && json_object_update(event, what) < 0) ||
	    (completed && name_snapshots(r->json, event) < 0))
		err_memory(e);
	else
		status = feed_append(r->dirfd, event, true, false, e);
	json_decref(event);
	return status;
}

int
delegation_end_record(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	int status = -1;

	/* A lease that ends before the first event, as "done" without one, implies SETUP_COMPLETE.
	 */
	if (event == FSM_EXPIRE && strcmp(delegation_state(r->json), "started") == 0 &&
	    delegation_step(r, FSM_SETUP_COMPLETE, e) < 0)
		return -1;
	/* Not every state can expire; every unfinished one can end in error. */
	if (fsm_next(&fsm_delegation, delegation_state(r->json), event, e) == NULL)
		event = FSM_RECEIVE_ERROR;
	json_t *error = json_object();
	if (error == NULL || message_put_error(error, why, e) < 0 ||
	    json_object_set(r->json, "error", error) < 0)
		err_memory(e);
	else if (delegation_step(r, event, e) == 0)
		status = delegation_save(r, true, e);
	json_decref(error);
	return status < 0 ? -1 : delegation_settle(r, e);
}

int
delegation_end(const char *id, enum fsm_event event, const struct err *why, struct err *e)
{
	struct record r;
	bool ended = false;
	int status = record_open(DELEGATIONS, id, true, &r, e);

	if (status == 0 && !delegation_ended(r.json)) {
		status = delegation_end_record(&r, event, why, e);
		ended = status == 0;
	}
	delegation_close(&r, ended ? "error" : NULL);
	return status;
}
