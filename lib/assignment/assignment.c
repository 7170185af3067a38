#include "assignment/due.h"
#include "assignment/members.h"
#include "assignment/private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "feed/feed.h"
#include "process/hook.h"
#include "state/due.h"
#include "state/space.h"
#include "wire/members.h"
#include "wire/message.h"

bool assignment_strict;

/* Is the token still good that came with the INVITE of ${record}? */
static bool
is_vouched_for(const json_t *record)
{
	const char *file = assignment_token(record);
	struct token t;
	struct err ignored;

	return file[0] == '\0' /* of an earlier version */ ||
	       (token_reload(file, &t, &ignored) == 0 &&
		token_may(&t, RIGHT_INVITE, &ignored) == 0);
}

static bool
owned_by(const json_t *record, const char *owner)
{
	if (owner == NULL)
		return !assignment_strict && assignment_capability(record) &&
		       is_vouched_for(record);
	return strcmp(assignment_owner(record), owner) == 0;
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
assignment_credential(const char *id, char file[SHA256_HEX], struct err *e)
{
	struct record r;

	int status = assignment_open(id, NULL, false, &r, e);
	if (status == 0)
		(void)snprintf(file, SHA256_HEX, "%s", assignment_token(r.json));
	record_close(&r);
	return status;
}

bool
assignment_ended(const json_t *record)
{
	return fsm_ended(&fsm_assignment, record_state(record));
}

void
assignment_close_changed(struct record *r)
{
	json_t *kept = json_incref(r->json);

	record_close(r);
	hook_notify(!assignment_ended(kept)      ? "started"
		    : record_error(kept) != NULL ? "error"
						 : "completed",
		    r->id, kept);
	json_decref(kept);
}

int
assignment_change_open(struct record *r, assignment_work *work, const void *arg, struct err *e)
{
	char previous[24];

	(void)snprintf(previous, sizeof previous, "%s", record_state(r->json));
	int status = work(r, arg, e);
	if (status < 0 || strcmp(previous, record_state(r->json)) == 0)
		record_close(r);
	else
		assignment_close_changed(r);
	return status;
}

int
assignment_change(const char *id, const char *owner, assignment_work *work, const void *arg,
		  struct err *e)
{
	struct record r;

	if (assignment_open(id, owner, true, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	return assignment_change_open(&r, work, arg, e);
}

/* What "done" says of the result in ${record}; NULL out of memory. */
static json_t *
describe_result(const json_t *record)
{
	const char *snapshot = assignment_snapshot_id(record);

	return json_pack("{ss sO* so* ss*}", event_summary_path(), assignment_summary(record),
			 event_highlights_path(), assignment_highlights(record),
			 event_snapshot_ids_path(),
			 snapshot != NULL ? json_pack("[s]", snapshot) : NULL,
			 event_recommended_id_path(), snapshot);
}

/* Append the event that reports how ${r} ended, as its record has it. */
static int
append_end(struct record *r, struct err *e)
{
	json_t *error = record_error(r->json);
	json_t *what = error != NULL ? json_incref(error) : describe_result(r->json);
	json_t *event = message_event(error != NULL ? "error" : "done", r->id, e);
	int status = -1;

	if (event_set_timestamp(event, assignment_completed_at(r->json)) < 0 ||
	    json_object_update(event, what) < 0)
		err_memory(e);
	else
		status = feed_append(r->dirfd, event, true, true, e);
	json_decref(what);
	json_decref(event);
	return status;
}

/* Append the event that offers the snapshot; its archive stays in the file it names. */
static int
append_snapshot(struct record *r, struct err *e)
{
	json_t *event = message_event("snapshot", r->id, e);
	int status = -1;

	if (event == NULL)
		return -1;
	if (json_object_update_missing(event, assignment_result(r->json)) < 0 ||
	    event_set_snapshot_file(event, "result.archive") < 0 ||
	    event_set_recommended(event, true) < 0)
		err_memory(e);
	else /* The event of the end, which comes next, makes it durable. */
		status = feed_append(r->dirfd, event, true, false, e);
	json_decref(event);
	return status;
}

int
assignment_finish_journal(struct record *r, struct err *e)
{
	if (!assignment_ended(r->json))
		return 0;
	if (assignment_result(r->json) != NULL && append_snapshot(r, e) < 0)
		return -1;
	return append_end(r, e);
}

static int
repair_journal(struct record *r, const void *unused, struct err *e)
{
	(void)unused;
	return assignment_finish_journal(r, e);
}

int
assignment_repair_journal(const char *id, const char *owner, struct err *e)
{
	return assignment_change(id, owner, repair_journal, NULL, e);
}

int
assignment_finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	char now[CLOCK_TEXT];
	struct err ignored;

	if (fsm_step(&fsm_assignment, r, event, e) < 0)
		return -1;
	if (assignment_set_completed_at(r->json, clock_format(clock_now(), now)) < 0 ||
	    (why != NULL && record_set_error(r->json, message_describe_error(why)) < 0))
		return err_memory(e);
	int64_t due = assignment_due(r->id);
	if (record_save(r, false, true, e) < 0)
		return -1;
	assignment_due_ended(r, due);
	/* It has ended, whether the journal says so or not yet: who follows it looks into the
	 * record, too, and has it repaired. */
	while (assignment_finish_journal(r, &ignored) < 0)
		if (!space_release(&ignored))
			break;
	return 0;
}

void
assignment_discard_empty(struct record *r, const struct err *why)
{
	if (why->code == ERR_NOT_FOUND && r->lockfd >= 0)
		record_remove(r, NULL); /* else awcp-reap does */
}

static int
refuse_locked(struct record *r, const void *why, struct err *e)
{
	/* Only before it began: a second, broken START does not end what the first one began. */
	if (strcmp(record_state(r->json), "pending") != 0)
		return err_set(e, ERR_BAD_STATE, "%s has begun already", r->id);
	return assignment_finish(r, FSM_TASK_FAIL, why, e);
}

int
assignment_refuse(const char *id, const char *owner, const struct err *why, struct err *e)
{
	return assignment_change(id, owner, refuse_locked, why, e);
}

static int
cancel_locked(struct record *r, const void *arg, struct err *e)
{
	const struct err *why = arg;

	/* A second cancel is answered as the first. */
	if (why->code == ERR_CANCELLED && assignment_ended(r->json) &&
	    strcmp(record_error_code(r->json), err_name(ERR_CANCELLED)) == 0)
		return 0;
	return assignment_finish(r, why->code == ERR_CANCELLED ? FSM_CANCEL : FSM_RECEIVE_ERROR,
				 why, e);
}

int
assignment_cancel(const char *id, const char *owner, const struct err *why, struct err *e)
{
	return assignment_change(id, owner, cancel_locked, why, e);
}

static int
acknowledge(struct record *r, const void *unused, struct err *e)
{
	(void)unused;
	if (!assignment_ended(r->json))
		return err_set(e, ERR_BAD_STATE, "%s has not ended", r->id);
	due_clear(ASSIGNMENT_DUE, r->id, assignment_kept_until(r->json));
	r->event = "acknowledged";
	return record_remove(r, e);
}

int
assignment_acknowledge(const char *id, const char *owner, struct err *e)
{
	return assignment_change(id, owner, acknowledge, NULL, e);
}
