/* The last line of a delegation's journal says how it ended, as the record does. */
#include "delegation/delegation.h"

#include "delegation/members.h"
#include "feed/feed.h"
#include "wire/members.h"
#include "wire/message.h"

/* The snapshots of a completed ${delegation}, as "done" names them. */
static int
name_snapshots(const json_t *delegation, json_t *event)
{
	json_t *ids = json_array(), *one;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation), i, one) {
		const char *id = snapshot_id(one);
		if (json_array_append_new(ids, json_string(id)) < 0 ||
		    (snapshot_recommended(one) && event_set_recommended_id(event, id) < 0)) {
			json_decref(ids);
			return -1;
		}
	}
	if (json_array_size(ids) > 0)
		return event_set_snapshot_ids(event, ids);
	json_decref(ids);
	return 0;
}

/* The event that ends ${r}; NULL on failure. */
static json_t *
describe_end(const struct record *r, struct err *e)
{
	bool completed = delegation_is(r->json, "completed");
	json_t *what = completed ? delegation_result(r->json) : record_error(r->json);
	json_t *event = message_event(completed ? "done" : "error", r->id, e);

	if (event == NULL)
		return NULL;
	if ((what == NULL || json_object_update(event, what) == 0) &&
	    (!completed || name_snapshots(r->json, event) == 0))
		return event;
	err_memory(e);
	json_decref(event);
	return NULL;
}

int
delegation_finish_journal(struct record *r, struct err *e)
{
	if (!delegation_ended(r->json))
		return 0;
	json_t *event = describe_end(r, e);
	if (event == NULL)
		return -1;
	int status = feed_append(r->dirfd, event, true, false, e);
	json_decref(event);
	return status;
}
