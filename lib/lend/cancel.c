/* What a person tells the executor of a delegation that somebody else may follow: an answer, or
 * that it is cancelled. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lend/private.h"
#include "wire/message.h"
#include "wire/question.h"

/* As lend_attach; ERR_BAD_STATE if it has ended. */
static int
attach_unfinished(struct lend *l, const char *id, struct err *e)
{
	if (lend_attach(l, id, e) < 0)
		return -1;
	if (!delegation_ended(l->record))
		return 0;
	err_set(e, ERR_BAD_STATE, "%s is %s already", l->id, record_state(l->record));
	return err_hint(e, "awcp-show %s", l->id);
}

/* The one question that is known to be open, or NULL: then its executor knows. */
static const char *
only_question(const json_t *delegation)
{
	const json_t *list = delegation_questions(delegation);

	return json_array_size(list) == 1 ? question_id(json_array_get(list, 0)) : NULL;
}

static int
send_answer(struct lend *l, const char *question, const char *answer, struct err *e)
{
	struct buf text = BUF_INIT(MESSAGE_MAX), reply = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct lend_request q = {.step = "answer"};
	int status = -1;

	json_t *body = json_object();
	if (answer_set_question(body, question) < 0 || answer_set_text(body, answer) < 0) {
		err_memory(e);
		goto out;
	}
	if (jsonx_dump(body, &text, e) < 0 || lend_connect(l, LONG_MAX, e) < 0)
		goto out;
	q.http.url = lend_task_url(l, "answer", url);
	q.http.json = text.data;
	if (lend_call(l, &q, &reply, e) < 0)
		goto out;
	status = q.http.status == 200 ? 0 : lend_refused(l, "the answer", q.http.status, &reply, e);
out:
	json_decref(body);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	buf_free(&reply);
	return status;
}

static int
record_answer(struct record *r, void *arg, struct err *e)
{
	(void)e;
	return delegation_answered(r, arg);
}

int
lend_answer(const char *id, const char *question, const char *answer, struct err *e)
{
	char asked[QUESTION_ID] = "";
	struct err ignored;
	struct lend l;
	int status = -1;

	if (attach_unfinished(&l, id, e) < 0)
		goto out;
	if (question == NULL)
		question = only_question(l.record);
	if ((status = send_answer(&l, question, answer, e)) < 0)
		goto out;
	/* The event that says so may be long in coming; if this is not recorded, it is then. */
	if (question != NULL) {
		(void)snprintf(asked, sizeof asked, "%s", question);
		(void)delegation_change(id, record_answer, asked, false, &ignored);
	}
out:
	lend_detach(&l);
	return status;
}

static int
send_cancel(struct lend *l, long max_s, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct lend_request q = {.step = "cancel"};

	if (lend_connect(l, max_s, e) < 0)
		return -1;
	q.http.url = lend_cancel_url(l, url);
	int status = lend_call(l, &q, &answer, e);
	if (status < 0)
		goto out;
	if (q.http.status == 409) {
		err_set(e, ERR_BAD_STATE, "%s has ended at its executor", l->id);
		status = err_hint(e, "fetch the outcome: awcp-watch %s", l->id);
	} else if (q.http.status != 200 && q.http.status != 404) {
		status = lend_refused(l, "the cancellation", q.http.status, &answer, e);
	}
out:
	buf_free(&answer);
	return status;
}

int
lend_cancel(const char *id, long max_s, const char *reason, struct err *e)
{
	struct err why;
	struct lend l;
	int status = -1;

	if (attach_unfinished(&l, id, &why) < 0) {
		/* A second cancel is no mistake. */
		status = l.record != NULL && delegation_is(l.record, "cancelled") ? 0 : -1;
		if (status < 0)
			*e = why;
		goto out;
	}
	/* Where the lease is over nothing runs any more that would have to be told. */
	bool over = delegation_lease_end(l.record) < clock_now();
	if (!delegation_is(l.record, "created") && send_cancel(&l, max_s, e) < 0 &&
	    !(over && e->code == ERR_TRANSPORT_ERROR))
		goto out;
	err_set(&why, ERR_CANCELLED, "%s", reason);
	status = delegation_end(l.id, FSM_CANCEL, &why, e);
out:
	lend_detach(&l);
	return status;
}
