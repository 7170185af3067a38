#include "queue/question.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/settings.h"
#include "queue/private.h"
#include "state/space.h"
#include "wire/members.h"

#define WITHDRAWN_MAX 80 /* bytes that are kept of the text */

/* Is ${question} of ${task} open? */
static bool
is_open(const json_t *task, const json_t *question)
{
	return question_open(question) && queue_task_state(task) == QUEUE_WAITING_ANSWER &&
	       question_attempt(question) == task_attempt(task);
}

json_t *
queue_questions(const json_t *task, struct err *e)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach (task_questions(task), i, one)
		if (is_open(task, one) && json_array_append(list, one) < 0) {
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

	json_array_foreach (task_questions(task), i, one)
		n += is_open(task, one);
	return n;
}

static bool
is_withdrawn(const json_t *question)
{
	const char *outcome = question_outcome(question);

	return outcome != NULL && strcmp(outcome, "withdrawn") == 0;
}

/* Of what was withdrawn, which nobody answers any more, little is kept: every change of the task
 * writes all of its questions again. */
static void
shorten_withdrawn(const json_t *list)
{
	char text[WITHDRAWN_MAX + 1];
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		if (!is_withdrawn(one) || strlen(question_text(one)) <= WITHDRAWN_MAX)
			continue;
		(void)snprintf(text, sizeof text, "%s", question_text(one));
		(void)text_trim(text, strlen(text));
		question_drop_options(one);
		(void)question_set_text(one, text); /* or it stays long */
	}
}

/* Make room in ${list} for one more: what is over goes first. */
static void
drop_oldest(const json_t *task, json_t *list)
{
	size_t i = 0;

	shorten_withdrawn(list);
	while (json_array_size(list) >= QUEUE_QUESTIONS && i < json_array_size(list))
		if (is_open(task, json_array_get(list, i)))
			i++;
		else
			(void)json_array_remove(list, i);
}

struct asking {
	json_t *question;
	int64_t asked; /* elsewhere, before */
	int64_t max;   /* then it is a fault */
};

/* Add the question to ${task}, which now waits for the answer. */
static int
ask_question(struct queue *q, json_t *task, void *arg, struct err *e)
{
	const struct asking *a = arg;
	int64_t previous = task_asked(task);
	char id[QUESTION_ID];

	if (count_open(task) >= QUEUE_OPEN) {
		err_set(e, ERR_BUSY, "%d questions of this task are open", QUEUE_OPEN);
		return err_hint(e, "wait for an answer to one of them");
	}
	if (previous < a->asked)
		previous = a->asked;
	if (previous >= a->max) {
		err_set(e, ERR_TOO_LARGE, "the task has asked %lld times, which is its limit",
			(long long)previous);
		return err_hint(e, "AWCP_MAX_QUESTIONS and the token's limit set it");
	}
	/* It comes from the task, which is a stranger's. */
	if (space_for(q->dirfd, QUEUE_LINE, 1, e) < 0)
		return -1;
	if (task_questions(task) == NULL && task_set_questions(task, json_array()) < 0)
		return err_memory(e);
	drop_oldest(task, task_questions(task));
	(void)snprintf(id, sizeof id, "q%d", (int)previous + 1);
	if (question_set_id(a->question, id) < 0 ||
	    question_set_attempt(a->question, task_attempt(task)) < 0 ||
	    task_set_asked(task, previous + 1) < 0 ||
	    json_array_append(task_questions(task), a->question) < 0)
		return err_memory(e);
	if (queue_task_state(task) == QUEUE_RUNNING && queue_task_step(task, QUEUE_ASK, e) < 0)
		return -1;
	/* A question is new: on a full disk it leaves the space to the ends of tasks. */
	return queue_change(q, task, false, e) < 0 ? -1 : queue_write(q, QUEUE_KEEP_NEW, e);
}

int
queue_ask(struct queue *q, struct queue_claim_id claim, json_t *question,
	  const struct queue_asked *before, struct err *e)
{
	static const struct queue_asked nothing = {0};
	struct asking a = {.question = question};
	long long max;

	if (before == NULL)
		before = &nothing;
	a.asked = before->count;
	if (setting_number(SETTING_MAX_QUESTIONS, &max, e) < 0)
		return -1;
	a.max = before->max > 0 && before->max < max ? before->max : max;
	return queue_alter(q, claim, ask_question, &a, true, e);
}

/* Write ${task}, of which a question is over now. */
static int
save_closed(struct queue *q, json_t *task, struct err *e)
{
	if (queue_task_state(task) == QUEUE_WAITING_ANSWER && count_open(task) == 0 &&
	    queue_task_step(task, QUEUE_ANSWER, e) < 0)
		return -1;
	return queue_change(q, task, false, e) < 0 ? -1 : queue_write(q, 0, e);
}

/* How a question ends without a person. */
struct ending {
	const char *id, *outcome, *answer;
	json_t *question; /* as it is then, a new reference */
};

/* End the question of ${task} so, unless it has ended already. */
static int
end_question(struct queue *q, json_t *task, void *arg, struct err *e)
{
	struct ending *how = arg;
	json_t *one = question_find(task_questions(task), how->id, e);

	if (one == NULL)
		return -1;
	if (question_open(one) && (question_close(one, how->outcome, how->answer, NULL, e) < 0 ||
				   save_closed(q, task, e) < 0))
		return -1;
	how->question = json_incref(one);
	return 0;
}

/* End a question of ${claim} as ${how} says: then how->question, or NULL. */
static json_t *
close_question(struct queue *q, struct queue_claim_id claim, struct ending how, struct err *e)
{
	if (queue_alter(q, claim, end_question, &how, false, e) == 0)
		return how.question;
	json_decref(how.question);
	return NULL;
}

int
queue_withdraw(struct queue *q, struct queue_claim_id claim, const char *id, json_t **question,
	       struct err *e)
{
	const struct ending how = {id, "withdrawn", NULL, NULL};

	*question = close_question(q, claim, how, e);
	return *question == NULL ? -1 : 0;
}

/* Question ${id} of ${claim} as it is now, a new reference; no lock is taken. */
static json_t *
read_question(struct queue *q, struct queue_claim_id claim, const char *id, struct err *e)
{
	json_t *task = queue_refresh(q, e) < 0 ? NULL : queue_claimed(q, claim, e);
	json_t *one = task == NULL ? NULL : question_find(task_questions(task), id, e);

	json_incref(one);
	json_decref(task);
	return one;
}

int
queue_question_poll(struct queue *q, struct queue_claim_id claim, const char *id, json_t **question,
		    struct err *e)
{
	json_t *one = read_question(q, claim, id, e);

	if (one == NULL)
		return -1;
	if (question_open(one)) {
		const char *fallback = question_default(one);
		const struct ending how = {id, fallback != NULL ? "default" : "timed_out", fallback,
					   NULL};
		bool late = question_late(one, clock_now());
		json_t *ended = late ? close_question(q, claim, how, e) : NULL;
		json_decref(one);
		if (ended == NULL)
			return late ? -1 : 0;
		one = ended;
	}
	const char *outcome = question_outcome(one);
	if (question_secret(one) && outcome != NULL && strcmp(outcome, "answered") == 0 &&
	    queue_take_secret(q, claim.number, one, e) < 0) {
		json_decref(one);
		return -1;
	}
	*question = one;
	return 1;
}

/* Close ${question} of ${task} with ${answer} of ${by}. */
static int
close_answered(struct queue *q, json_t *task, json_t *question, const char *answer, const char *by,
	       struct err *e)
{
	bool secret = question_secret(question);
	char text[QUESTION_ANSWER + 1];
	int status = -1;

	if (question_take_answer(question, answer, text, e) < 0)
		return -1;
	/* First: what the record says is answered has an answer. */
	if (!secret ||
	    queue_keep_secret(q, (uint64_t)task_number(task), question_id(question), text, e) == 0)
		status = question_close(question, "answered", secret ? NULL : text, by, e);
	explicit_bzero(text, sizeof text);
	return status < 0 ? -1 : save_closed(q, task, e);
}

struct answering {
	const char *id, *answer, *by;
};

static int
take_answer(struct queue *q, json_t *task, void *arg, struct err *e)
{
	const struct answering *a = arg;
	json_t *open = queue_questions(task, e);
	int status = -1;

	if (open == NULL)
		return -1;
	json_t *one = question_find(a->id == NULL ? open : task_questions(task), a->id, e);
	if (one == NULL)
		goto out;
	if (!is_open(task, one)) {
		const char *how = question_outcome(one);
		err_set(e, ERR_BAD_STATE, "question %s is over%s%s", a->id, how != NULL ? ": " : "",
			how != NULL ? how : "");
		err_hint(e, "awcp-answer shows what is open");
		goto out;
	}
	status = close_answered(q, task, one, a->answer, a->by, e);
out:
	json_decref(open);
	return status;
}

int
queue_answer(struct queue *q, uint64_t number, const char *id, const char *answer, const char *by,
	     struct err *e)
{
	struct answering a = {id, answer, by};

	return queue_alter_task(q, number, take_answer, &a, e);
}
