/* The worker's side: what it tells of a task, fenced by the run. */
#include "assignment_private.h"

#include <string.h>

#include "file.h"
#include "id.h"
#include "journal.h"
#include "jsonx.h"
#include "message.h"

/* Open ${id} for its worker in run ${run}, locked. */
static int
open_run(const char *id, int64_t run, struct record *r, struct err *e)
{
	if (record_open(ASSIGNMENTS, id, true, r, e) < 0) {
		if (e->code == ERR_NOT_FOUND)
			e->code = ERR_BAD_STATE;
		return -1;
	}
	const char *state = jsonx_text(r->json, "state", "");
	if (strcmp(state, "active") != 0)
		return err_set(e, ERR_BAD_STATE, "%s is not active any more but %s", id, state);
	if (jsonx_number(r->json, "run", 0) != run)
		return err_set(e, ERR_BAD_STATE, "%s was begun again meanwhile", id);
	return 0;
}

int
assignment_task(const char *id, int64_t run, struct record *r, struct err *e)
{
	int status = open_run(id, run, r, e);

	file_close(r->lockfd);
	r->lockfd = -1;
	return status;
}

static int
tell_status(const char *id, int64_t run, const char *kind, const char *text, struct err *e)
{
	struct record r;
	json_t *event = NULL;
	int status = open_run(id, run, &r, e);

	if (status == 0 &&
	    ((event = message_event("status", id, e)) == NULL ||
	     jsonx_set(event, "status", kind) < 0 || jsonx_set(event, "message", text) < 0))
		status = err_memory(e);
	if (status == 0)
		status = journal_append(r.dirfd, ASSIGNMENT_JOURNAL, event, false, e);
	json_decref(event);
	record_close(&r);
	return status;
}

int
assignment_running(const char *id, int64_t run, struct err *e)
{
	return tell_status(id, run, "running", "Task execution started", e);
}

int
assignment_progress(const char *id, int64_t run, const char *text, struct err *e)
{
	return tell_status(id, run, "progress", text, e);
}

int
assignment_complete(const char *id, int64_t run, const json_t *result, const json_t *metadata,
		    struct err *e)
{
	char snap[ID_MAX + 1];
	struct record r;
	int status = open_run(id, run, &r, e);

	if (status == 0)
		status = id_make("snap_", 12, snap, e);
	if (status == 0) {
		json_t *kept = json_deep_copy(result);
		if (kept == NULL || jsonx_set(kept, "snapshotId", snap) < 0 ||
		    (metadata != NULL &&
		     json_object_set(kept, "metadata", (json_t *)(uintptr_t)metadata) < 0) ||
		    json_object_set(r.json, "result", kept) < 0)
			status = err_memory(e);
		json_decref(kept);
	}
	if (status == 0)
		status = assignment_finish(&r, FSM_TASK_COMPLETE, NULL, e);
	assignment_close(&r, status);
	return status;
}

int
assignment_fail(const char *id, int64_t run, const struct err *why, struct err *e)
{
	struct record r;
	int status = open_run(id, run, &r, e);

	if (status == 0)
		status = assignment_finish(&r, FSM_TASK_FAIL, why, e);
	assignment_close(&r, status);
	return status;
}
