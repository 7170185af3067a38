/* The worker's side: what it reports of a task, fenced by the run. */
#include "assignment/members.h"
#include "assignment/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/id.h"
#include "feed/feed.h"
#include "queue/question.h"
#include "wire/members.h"
#include "wire/message.h"

/* Open ${id} for its worker in run ${run}, locked. */
static int
open_run(const char *id, int64_t run, struct record *r, struct err *e)
{
	if (record_open(ASSIGNMENTS, id, true, r, e) < 0) {
		if (e != NULL && e->code == ERR_NOT_FOUND)
			e->code = ERR_BAD_STATE;
		return -1;
	}
	const char *state = record_state(r->json);
	if (strcmp(state, "active") != 0)
		return err_set(e, ERR_BAD_STATE, "%s is no longer active but %s", id, state);
	if (assignment_run(r->json) != run)
		return err_set(e, ERR_BAD_STATE, "%s was begun again meanwhile", id);
	return 0;
}

/* As assignment_change, for the worker in run ${run}. */
static int
change_run(const char *id, int64_t run, assignment_work *work, const void *arg, struct err *e)
{
	struct record r;

	if (open_run(id, run, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	return assignment_change_open(&r, work, arg, e);
}

int
assignment_task(const char *id, int64_t run, struct record *r, struct stat *seen, struct err *e)
{
	int status = open_run(id, run, r, e);

	if (status >= 0 && fstatat(r->dirfd, "record.json", seen, AT_SYMLINK_NOFOLLOW) < 0)
		status = err_sys(e, "cannot stat the record of %s", id);
	file_close(r->lockfd);
	r->lockfd = -1;
	return status;
}

/* Has the token of ${r} still room for events?  ERR_TOO_LARGE. */
static int
check_events(const struct record *r, struct err *e)
{
	int64_t max = assignment_max_events(r->json);
	struct stat st;

	if (max == 0 || fstatat(r->dirfd, FEED_JOURNAL, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_size < max)
		return 0;
	return err_set(e, ERR_TOO_LARGE, "the events of %s have %lld bytes, the token's limit",
		       r->id, (long long)max);
}

/* An event "status". */
struct status_event {
	const char *kind, *text;
	json_t *question; /* that it is about, or NULL */
};

static int
append_status(struct record *r, const void *arg, struct err *e)
{
	const struct status_event *s = arg;
	int status = -1;

	json_t *event = message_event("status", r->id, e);
	if (event == NULL)
		return -1;
	if (event_set_status(event, s->kind) < 0 || event_set_message(event, s->text) < 0 ||
	    (s->question != NULL && event_set_question(event, json_incref(s->question)) < 0))
		err_memory(e);
	else if (check_events(r, e) == 0)
		status = feed_append(r->dirfd, event, false, false, e);
	json_decref(event);
	return status;
}

int
assignment_running(const char *id, int64_t run, struct err *e)
{
	struct status_event s = {"running", "Task execution started", NULL};

	if (change_run(id, run, append_status, &s, e) == 0)
		return 0;
	/* It runs, whether there is room to say so or not. */
	return e->code == ERR_NO_SPACE || e->code == ERR_TOO_LARGE ? 0 : -1;
}

int
assignment_progress(const char *id, int64_t run, const char *text, struct err *e)
{
	struct status_event s = {"progress", text, NULL};

	return change_run(id, run, append_status, &s, e);
}

/* The question in words, for a delegator that does not know this extension. */
static void
describe_question(const json_t *question, char *out, size_t size)
{
	const char *id = question_id(question), *outcome = question_outcome(question);
	const char *answer = question_answer(question);

	if (outcome == NULL)
		(void)snprintf(out, size, "question %s: %s", id, question_text(question));
	else
		(void)snprintf(out, size, "question %s is over (%s)%s%s", id, outcome,
			       answer != NULL ? ": " : "", answer != NULL ? answer : "");
}

static int
report_question(struct record *r, const void *arg, struct err *e)
{
	const struct status_event *s = arg;

	/* The next run of this id continues to count from there. */
	if (question_open(s->question)) {
		if (assignment_set_asked(r->json, strtoll(question_id(s->question) + 1, NULL, 10)) <
		    0)
			return err_memory(e);
		if (record_save(r, true, false, e) < 0)
			return -1;
	}
	return append_status(r, s, e);
}

int
assignment_question(const char *id, int64_t run, const json_t *question, struct err *e)
{
	char text[QUESTION_TEXT + 64];
	struct status_event s = {"progress", text, (json_t *)(uintptr_t)question};

	describe_question(question, text, sizeof text);
	return change_run(id, run, report_question, &s, e);
}

int
assignment_answer(const char *id, const char *owner, const char *question, const char *answer,
		  struct err *e)
{
	struct queue *q = NULL;
	struct record r;
	int status = -1;

	if (assignment_open(id, owner, false, &r, e) < 0)
		goto out;
	if (strcmp(record_state(r.json), "active") != 0) {
		err_set(e, ERR_BAD_STATE, "%s is not active but %s", id, record_state(r.json));
		goto out;
	}
	q = queue_open(assignment_queue(r.json), false, e);
	if (q != NULL)
		status = queue_answer(q, (uint64_t)assignment_task_number(r.json), question, answer,
				      "delegator", e);
out:
	queue_close(q);
	record_close(&r);
	return status;
}

struct completion {
	const json_t *result;
	json_t *metadata; /* or NULL */
};

static int
complete_run(struct record *r, const void *arg, struct err *e)
{
	const struct completion *c = arg;
	char snapshot[ID_MAX + 1];

	if (id_make("snap_", 12, snapshot, e) < 0)
		return -1;
	if (assignment_set_result(r->json, json_deep_copy(c->result)) < 0 ||
	    assignment_set_snapshot_id(r->json, snapshot) < 0 ||
	    (c->metadata != NULL && assignment_set_metadata(r->json, json_incref(c->metadata)) < 0))
		return err_memory(e);
	return assignment_finish(r, FSM_TASK_COMPLETE, NULL, e);
}

int
assignment_complete(const char *id, int64_t run, const json_t *result, const json_t *metadata,
		    struct err *e)
{
	struct completion c = {result, (json_t *)(uintptr_t)metadata};

	return change_run(id, run, complete_run, &c, e);
}

static int
fail_run(struct record *r, const void *why, struct err *e)
{
	return assignment_finish(r, FSM_TASK_FAIL, why, e);
}

int
assignment_fail(const char *id, int64_t run, const struct err *why, struct err *e)
{
	return change_run(id, run, fail_run, why, e);
}
