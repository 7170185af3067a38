/* The worker's side: what it tells of a task, fenced by the run. */
#include "assignment/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/id.h"
#include "state/journal.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "queue/question.h"

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
assignment_task(const char *id, int64_t run, struct record *r, struct stat *seen, struct err *e)
{
	int status = open_run(id, run, r, e);

	if (status == 0 && fstatat(r->dirfd, "record.json", seen, AT_SYMLINK_NOFOLLOW) < 0)
		status = err_sys(e, "cannot look at the record of %s", id);
	file_close(r->lockfd);
	r->lockfd = -1;
	return status;
}

/* Append event "status" ${kind}, with ${question} if it is about one, to the journal of ${r}. */
static int
append_status(struct record *r, const char *kind, const char *text, const json_t *question,
	      struct err *e)
{
	json_t *event = message_event("status", r->id, e);
	int status = -1;

	if (event == NULL)
		return -1;
	if (jsonx_set(event, "status", kind) < 0 || jsonx_set(event, "message", text) < 0 ||
	    (question != NULL &&
	     json_object_set(event, "question", (json_t *)(uintptr_t)question) < 0))
		err_memory(e);
	else
		status = journal_append(r->dirfd, ASSIGNMENT_JOURNAL, event, false, e);
	json_decref(event);
	return status;
}

static int
tell_status(const char *id, int64_t run, const char *kind, const char *text, struct err *e)
{
	struct record r;
	int status = open_run(id, run, &r, e);

	if (status == 0)
		status = append_status(&r, kind, text, NULL, e);
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

/* The question in words, for a delegator that knows of no questions. */
static void
describe_question(const json_t *question, char *out, size_t size)
{
	const char *id = jsonx_text(question, "id", ""),
		   *outcome = jsonx_text(question, "outcome", NULL);
	const char *answer = jsonx_text(question, "answer", NULL);

	if (outcome == NULL)
		(void)snprintf(out, size, "question %s: %s", id, jsonx_text(question, "text", ""));
	else
		(void)snprintf(out, size, "question %s is over (%s)%s%s", id, outcome,
			       answer != NULL ? ": " : "", answer != NULL ? answer : "");
}

int
assignment_question(const char *id, int64_t run, const json_t *question, struct err *e)
{
	char text[QUESTION_TEXT + 64];
	struct record r;
	int status = open_run(id, run, &r, e);

	describe_question(question, text, sizeof text);
	/* The next run of this id goes on counting. */
	if (status == 0 && question_open(question)) {
		int64_t asked = strtoll(jsonx_text(question, "id", "q0") + 1, NULL, 10);
		status = json_object_set_new(r.json, "asked", json_integer(asked)) < 0
			     ? err_memory(e)
			     : record_save(&r, true, false, e);
	}
	if (status == 0)
		status = append_status(&r, "progress", text, question, e);
	record_close(&r);
	return status;
}

int
assignment_answer(const char *id, const char *owner, const char *question, const char *answer,
		  struct err *e)
{
	struct record r;
	struct queue *q = NULL;
	int status = assignment_open(id, owner, false, &r, e);

	if (status == 0 && strcmp(jsonx_text(r.json, "state", ""), "active") != 0)
		status = err_set(e, ERR_BAD_STATE, "%s is not active but %s", id,
				 jsonx_text(r.json, "state", ""));
	int64_t number = status == 0 ? jsonx_number(r.json, "taskNumber", 0) : 0;
	if (status == 0)
		q = queue_open(jsonx_text(r.json, "queue", ASSIGNMENT_QUEUE), false, e);
	status =
	    q == NULL ? -1 : queue_answer(q, (uint64_t)number, question, answer, "delegator", e);
	queue_close(q);
	record_close(&r);
	return status;
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
