#include "assignment/due.h"
#include "assignment/private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "state/due.h"
#include "wire/fsm.h"
#include "process/hook.h"
#include "base/id.h"
#include "state/journal.h"
#include "base/jsonx.h"
#include "wire/message.h"

bool assignment_strict;

static bool
owned_by(const json_t *record, const char *owner)
{
	if (owner == NULL)
		return !assignment_strict && json_is_true(json_object_get(record, "capability"));
	return strcmp(jsonx_text(record, "owner", ""), owner) == 0;
}

int
assignment_open(const char *id, const char *owner, bool change, struct record *r, struct err *e)
{
	if (record_open(ASSIGNMENTS, id, change, r, e) < 0) {
		/* A name that cannot be an id and one that is not there look the same. */
		if (e->code == ERR_BAD_DATA && !id_valid(id))
			err_set(e, ERR_NOT_FOUND, "there is no such delegation here");
		return -1;
	}
	if (!owned_by(r->json, owner))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", id);
	return 0;
}

int
assignment_step(struct record *r, enum fsm_event event, struct err *e)
{
	const char *next = fsm_next(&fsm_assignment, jsonx_text(r->json, "state", ""), event, e);

	if (next == NULL)
		return err_add(e, "%s", r->id);
	r->event = fsm_event_name(event);
	return jsonx_set(r->json, "state", next) < 0 ? err_memory(e) : 0;
}

static bool
unfinished(const struct record *r)
{
	return !fsm_ended(&fsm_assignment, jsonx_text(r->json, "state", ""));
}

/* Append the event that tells how ${r} ended, as its record has it. */
static int
tell_end(struct record *r, struct err *e)
{
	const json_t *error = json_object_get(r->json, "error");
	const json_t *result = json_object_get(r->json, "result");
	const char *snap = jsonx_text(result, "snapshotId", NULL);
	int status = -1;

	json_t *event = message_event(error != NULL ? "error" : "done", r->id, e);
	if (event == NULL)
		return -1;
	if (json_object_set(event, "timestamp", json_object_get(r->json, "completedAt")) < 0)
		goto out;
	if (error != NULL) {
		if (json_object_update(event, (json_t *)(uintptr_t)error) < 0)
			goto out;
	} else {
		if (json_object_set(event, "summary", json_object_get(result, "summary")) < 0)
			goto out;
		json_t *highlights = json_object_get(result, "highlights");
		if (highlights != NULL && json_object_set(event, "highlights", highlights) < 0)
			goto out;
		if (snap != NULL &&
		    (json_object_set_new(event, "snapshotIds", json_pack("[s]", snap)) < 0 ||
		     jsonx_set(event, "recommendedSnapshotId", snap) < 0))
			goto out;
	}
	status = journal_append(r->dirfd, ASSIGNMENT_JOURNAL, event, true, e);
	json_decref(event);
	return status;
out:
	json_decref(event);
	return err_memory(e);
}

/* Append the event that offers the snapshot; its archive stays in the file it names. */
static int
tell_snapshot(struct record *r, struct err *e)
{
	json_t *event = message_event("snapshot", r->id, e);

	if (event == NULL)
		return -1;
	if (json_object_update_missing(event, json_object_get(r->json, "result")) < 0 ||
	    jsonx_set(event, "snapshotFile", "result.archive") < 0 ||
	    json_object_set_new(event, "recommended", json_true()) < 0) {
		json_decref(event);
		return err_memory(e);
	}
	/* The end, which is told next, makes it durable. */
	int status = journal_append(r->dirfd, ASSIGNMENT_JOURNAL, event, false, e);
	json_decref(event);
	return status;
}

int
assignment_settle(struct record *r, struct err *e)
{
	json_t *last;

	if (unfinished(r))
		return 0;
	if (journal_last(r->dirfd, ASSIGNMENT_JOURNAL, &last, e) < 0) {
		json_decref(last);
		return -1;
	}
	const char *type = jsonx_text(last, "type", "");
	bool offered = strcmp(type, "snapshot") == 0;
	bool told = strcmp(type, "done") == 0 || strcmp(type, "error") == 0;
	json_decref(last);
	if (told)
		return 0;
	if (json_object_get(r->json, "result") != NULL && !offered && tell_snapshot(r, e) < 0)
		return -1;
	return tell_end(r, e);
}

int
assignment_finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	char now[CLOCK_TEXT];

	if (assignment_step(r, event, e) < 0)
		return -1;
	if (jsonx_set(r->json, "completedAt", clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	if (why != NULL) {
		json_t *error = json_object();
		if (error == NULL || message_put_error(error, why, e) < 0 ||
		    json_object_set(r->json, "error", error) < 0) {
			json_decref(error);
			return err_memory(e);
		}
		json_decref(error);
	}
	int64_t before = assignment_noted(r->id);
	if (record_save(r, false, true, e) < 0)
		return -1;
	assignment_due_ended(r, before);
	return assignment_settle(r, e);
}

void
assignment_close(struct record *r, int status)
{
	json_t *kept = status == 0 ? json_incref(r->json) : NULL;

	record_close(r);
	if (kept != NULL)
		hook_tell(json_object_get(kept, "error") != NULL ? "error" : "completed", r->id,
			  kept);
	json_decref(kept);
}

int
assignment_refuse(const char *id, const char *owner, const struct err *why, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	/* Only before it began: a second, broken START does not end what the first one began. */
	if (status == 0 && strcmp(jsonx_text(r.json, "state", ""), "pending") != 0)
		status = err_set(e, ERR_BAD_STATE, "%s has begun already", id);
	if (status == 0)
		status = assignment_finish(&r, FSM_TASK_FAIL, why, e);
	assignment_close(&r, status);
	return status;
}

int
assignment_cancel(const char *id, const char *owner, const struct err *why, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	if (status == 0)
		status = assignment_finish(
		    &r, why->code == ERR_CANCELLED ? FSM_CANCEL : FSM_RECEIVE_ERROR, why, e);
	assignment_close(&r, status);
	return status;
}

int
assignment_acknowledge(const char *id, const char *owner, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	if (status == 0 && unfinished(&r))
		status = err_set(e, ERR_BAD_STATE, "%s has not ended", id);
	if (status == 0) {
		due_clear(ASSIGNMENT_DUE, id, assignment_kept_until(r.json));
		r.event = "acknowledged";
		status = record_remove(&r, e);
	}
	record_close(&r);
	return status;
}
