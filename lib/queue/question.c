#include "queue/question.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "queue/claim.h"
#include "queue/private.h"
#include "wire/members.h"

#define ASKED_MAX 1000 /* by one task; then it is a fault */

bool
queue_question_open(const json_t *task, const json_t *question)
{
	return question_open(question) &&
	       strcmp(jsonx_text(task, "state", ""), "waiting_answer") == 0 &&
	       jsonx_number(question, "attempt", -1) == jsonx_number(task, "attempt", 0);
}

json_t *
queue_questions(const json_t *task, struct err *e)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach (json_object_get(task, "questions"), i, one)
		if (queue_question_open(task, one) && json_array_append(list, one) < 0) {
			json_decref(list);
			list = NULL;
			break;
		}
	if (list == NULL)
		err_memory(e);
	return list;
}

static size_t
count_open(const json_t *task)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach (json_object_get(task, "questions"), i, one)
		n += queue_question_open(task, one);
	return n;
}

/* Make room in ${list} for one more: what is over goes first. */
static void
make_room(const json_t *task, json_t *list)
{
	size_t i = 0;

	while (json_array_size(list) >= QUEUE_QUESTIONS && i < json_array_size(list))
		if (queue_question_open(task, json_array_get(list, i)))
			i++;
		else
			(void)json_array_remove(list, i);
}

/* Add ${question} to ${task}. */
static int
add(json_t *task, json_t *question, int64_t asked, struct err *e)
{
	json_t *list = json_object_get(task, "questions");
	char id[QUESTION_ID];
	int64_t before = jsonx_number(task, "asked", 0);

	if (count_open(task) >= QUEUE_OPEN) {
		err_set(e, ERR_BUSY, "%d questions of this task are open", QUEUE_OPEN);
		return err_hint(e, "wait for an answer to one of them");
	}
	if (before < asked)
		before = asked;
	if (before >= ASKED_MAX)
		return err_set(e, ERR_TOO_LARGE, "the task has asked %d times", ASKED_MAX);
	if (list == NULL) {
		list = json_array();
		if (json_object_set_new(task, "questions", list) < 0)
			return err_memory(e);
	}
	make_room(task, list);
	(void)snprintf(id, sizeof id, "q%d", (int)before + 1);
	if (question_set_id(question, id) < 0 ||
	    json_object_set(question, "attempt", json_object_get(task, "attempt")) < 0 ||
	    json_object_set_new(task, "asked", json_integer(before + 1)) < 0 ||
	    json_array_append(list, question) < 0)
		return err_memory(e);
	return 0;
}

int
queue_ask(struct queue *q, struct queue_claim_id claim, json_t *question, int64_t asked,
	  struct err *e)
{
	if (queue_begin(q, e) < 0)
		return -1;
	json_t *task = queue_claimed(q, claim, e);
	int status = task == NULL ? -1 : add(task, question, asked, e);
	if (status == 0 && strcmp(jsonx_text(task, "state", ""), "running") == 0)
		status = queue_step(task, QUEUE_ASK, e);
	if (status == 0)
		status = queue_change(q, task, false, e);
	/* A question is new: on a full disk it leaves the room to the ends of tasks. */
	if (status == 0)
		status = queue_write(q, QUEUE_KEEP_NEW, e);
	json_decref(task);
	if (status == 0)
		return queue_end(q, true, e);
	queue_abort(q);
	return -1;
}

static void
name_of(uint64_t number, const char *id, char name[64])
{
	(void)snprintf(name, 64, "answers/%llu.%.*s", (unsigned long long)number, QUESTION_ID, id);
}

static int
keep_secret(const struct queue *q, uint64_t number, const char *id, const char *answer,
	    struct err *e)
{
	char name[64];

	if (file_make_dirs(q->dirfd, "answers", e) < 0)
		return -1;
	name_of(number, id, name);
	int dirfd = file_open_dir(q->dirfd, "answers", e);
	int status =
	    dirfd < 0 ? -1
		      : file_replace(dirfd, strchr(name, '/') + 1, answer, strlen(answer), true, e);
	file_close(dirfd);
	return status;
}

/* Put the secret answer to ${question}, which only the asker sees, into it, and forget it here. */
static int
tell_secret(const struct queue *q, uint64_t number, json_t *question, struct err *e)
{
	struct buf text = BUF_INIT(QUESTION_ANSWER);
	char name[64];

	name_of(number, question_id(question), name);
	int status = file_slurp(q->dirfd, name, &text, e);
	if (status < 0)
		status = err_add(e, "the answer is not there any more");
	else if (question_set_answer(question, text.data != NULL ? text.data : "") < 0)
		status = err_memory(e);
	else
		(void)unlinkat(q->dirfd, name, 0); /* else the end of the attempt does it */
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	return status;
}

void
queue_drop_secrets(const struct queue *q, const json_t *task)
{
	const json_t *one;
	char name[64];
	size_t i;

	json_array_foreach (json_object_get(task, "questions"), i, one)
		if (json_is_true(json_object_get(one, "secret"))) {
			name_of((uint64_t)jsonx_number(task, "number", 0),
				jsonx_text(one, "id", ""), name);
			(void)unlinkat(q->dirfd, name, 0); /* mostly it was heard, and is gone */
		}
}

/* Write ${task}, of which a question is over now. */
static int
save_closed(struct queue *q, json_t *task, struct err *e)
{
	if (strcmp(jsonx_text(task, "state", ""), "waiting_answer") == 0 && count_open(task) == 0 &&
	    queue_step(task, QUEUE_ANSWER, e) < 0)
		return -1;
	return queue_change(q, task, false, e) < 0 ? -1 : queue_write(q, 0, e);
}

/* The question ${id} of ${claim} ends so, unless it has ended already: then
 * *${question} is how. */
static int
end_asked(struct queue *q, struct queue_claim_id claim, const char *id, const char *outcome,
	  const char *answer, json_t **question, struct err *e)
{
	json_t *one = NULL;

	if (queue_begin(q, e) < 0)
		return -1;
	json_t *task = queue_claimed(q, claim, e);
	int status = task == NULL ? -1 : 0;
	if (status == 0 && (one = question_find(json_object_get(task, "questions"), id, e)) == NULL)
		status = -1;
	if (status == 0 && question_open(one)) {
		status = question_close(one, outcome, answer, NULL, e);
		if (status == 0)
			status = save_closed(q, task, e);
	}
	json_incref(one);
	json_decref(task);
	if (status == 0)
		status = queue_end(q, false, e);
	else
		queue_abort(q);
	if (status == 0)
		*question = one;
	else
		json_decref(one);
	return status;
}

int
queue_withdraw(struct queue *q, struct queue_claim_id claim, const char *id, json_t **question,
	       struct err *e)
{
	return end_asked(q, claim, id, "withdrawn", NULL, question, e);
}

/* Find question ${id} of the claim as it is now; no lock is taken. */
static json_t *
look(struct queue *q, struct queue_claim_id claim, const char *id, struct err *e)
{
	json_t *task = queue_look(q, e) < 0 ? NULL : queue_claimed(q, claim, e);
	json_t *one =
	    task == NULL ? NULL : question_find(json_object_get(task, "questions"), id, e);

	json_incref(one);
	json_decref(task);
	return one;
}

int
queue_question_poll(struct queue *q, struct queue_claim_id claim, const char *id, json_t **question,
		    struct err *e)
{
	json_t *one = look(q, claim, id, e);
	int status = one == NULL ? -1 : 0;

	if (status == 0 && question_open(one)) {
		if (!question_late(one, clock_now())) {
			json_decref(one);
			return 0;
		}
		json_t *late = NULL;
		const char *otherwise = jsonx_text(one, "default", NULL);
		status = end_asked(q, claim, id, otherwise != NULL ? "default" : "timed_out",
				   otherwise, &late, e);
		json_decref(one);
		one = late;
	}
	if (status == 0 && json_is_true(json_object_get(one, "secret")) &&
	    strcmp(jsonx_text(one, "outcome", ""), "answered") == 0)
		status = tell_secret(q, claim.number, one, e);
	if (status < 0) {
		json_decref(one);
		return -1;
	}
	*question = one;
	return 1;
}

/* What ${answer} makes of the question ${id} of ${task}. */
static int
take_answer(struct queue *q, json_t *task, const char *id, const char *answer, const char *by,
	    struct err *e)
{
	char text[QUESTION_ANSWER + 1];
	int status = -1;

	json_t *open = queue_questions(task, e);
	if (open == NULL)
		return -1;
	json_t *one = question_find(id == NULL ? open : json_object_get(task, "questions"), id, e);
	if (one == NULL)
		goto out;
	if (!queue_question_open(task, one)) {
		const char *how = jsonx_text(one, "outcome", "");
		err_set(e, ERR_BAD_STATE, "question %s is over%s%s", id, how[0] != '\0' ? ": " : "",
			how);
		err_hint(e, "awcp-answer shows what is open");
		goto out;
	}
	if (question_take_answer(one, answer, text, e) < 0)
		goto out;
	bool secret = json_is_true(json_object_get(one, "secret"));
	uint64_t number = (uint64_t)jsonx_number(task, "number", 0);
	/* First: what the record says is answered has an answer. */
	if (!secret || keep_secret(q, number, jsonx_text(one, "id", ""), text, e) == 0)
		status = question_close(one, "answered", secret ? NULL : text, by, e);
	explicit_bzero(text, sizeof text);
	if (status == 0)
		status = save_closed(q, task, e);
out:
	json_decref(open);
	return status;
}

int
queue_answer(struct queue *q, uint64_t number, const char *id, const char *answer, const char *by,
	     struct err *e)
{
	struct queue_cell cell;
	json_t *task = NULL;

	if (queue_begin(q, e) < 0)
		return -1;
	int status = -1;
	if (queue_find(q, number, &cell, e) == 0 && (task = queue_read(q, &cell, false, e)) != NULL)
		status = take_answer(q, task, id, answer, by, e);
	json_decref(task);
	if (status == 0)
		return queue_end(q, true, e);
	queue_abort(q);
	return -1;
}
