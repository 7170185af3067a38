#include "queued/answers.h"

#include <stdio.h>
#include <string.h>

#include "config/home.h"
#include "http/body.h"
#include "http/query.h"
#include "queue/question.h"
#include "queued/claim.h"
#include "state/space.h"

#define CAPABILITIES_MAX 64
#define LEASE_MAX 86400 /* s */
#define WAIT_MAX 300    /* s */

static int
read_wait(void *arg, const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "wait") == 0)
		return query_number(name, value, 0, WAIT_MAX, arg, e);
	return query_unknown(name, "wait", e);
}

static int
check_capabilities(const json_t *list, struct err *e)
{
	const json_t *one;
	size_t i;
	bool fine =
	    list == NULL || (json_is_array(list) && json_array_size(list) <= CAPABILITIES_MAX);

	json_array_foreach (list, i, one)
		fine = fine && json_is_string(one);
	if (fine)
		return 0;
	return err_set(e, ERR_BAD_DATA, "capabilities must be an array of at most %d strings",
		       CAPABILITIES_MAX);
}

static int
read_claim_request(const struct http *h, const struct tenant *t, const json_t *o,
		   struct claim_request *r, struct err *e)
{
	const char *name, *owner = t->caller->token.name;
	int64_t wait = 0;

	*r = (struct claim_request){.queue = t->queue,
				    .tenant = t->name,
				    .capabilities = json_object_get(o, "capabilities"),
				    .lease = QUEUE_LEASE_MS / 1000,
				    .pass = caller_pass(h)};
	if (body_only(o, "worker lease capabilities", e) < 0 ||
	    request_text(o, "worker", 60, &name, e) < 0 ||
	    request_number(o, "lease", 1, LEASE_MAX, &r->lease, e) < 0 ||
	    check_capabilities(r->capabilities, e) < 0 || query_each(h, read_wait, &wait, e) < 0)
		return -1;
	r->lease *= 1000;
	r->wait = wait * 1000;
	(void)snprintf(r->worker, sizeof r->worker, "%s%s%s", owner,
		       owner[0] != '\0' && name != NULL ? ":" : "", name != NULL ? name : "");
	err_clean(r->worker);
	return 0;
}

/* Answer with a task that is there, or wait for one.  -1 if it was not answered. */
static int
answer_claim(struct http *h, const struct claim_request *r, struct err *e)
{
	struct queue_claim *c;
	int64_t pause;

	if (claim_take(r, &c, &pause, e) < 0)
		return -1;
	if (c == NULL && r->wait > 0) {
		if (http_serves())
			return waitlist_add(h, r, e);
		if (claim_wait(h, r, &c, e) < 0)
			return -1;
	}
	claim_send(h, r, c);
	if (http_flush(h) < 0)
		claim_return(r, c);
	queue_claim_free(c);
	return 0;
}

int
work_claim(struct http *h, const struct tenant *t, struct err *e)
{
	struct claim_request r;
	json_t *o = request_body(h, e);

	int status =
	    o == NULL || read_claim_request(h, t, o, &r, e) < 0 ? -1 : answer_claim(h, &r, e);
	json_decref(o);
	return status;
}

static int
beat_claim(struct task_request *r, struct err *e)
{
	const char *progress;
	int64_t lease = 0; /* as it was claimed */

	if (request_number(r->body, "lease", 1, LEASE_MAX, &lease, e) < 0 ||
	    request_text(r->body, "progress", REQUEST_TEXT, &progress, e) < 0)
		return -1;
	/* The lease costs nothing; what is to be shown is kept. */
	int fd = home_open(e);
	if (fd < 0)
		return -1;
	if (space_for(fd, REQUEST_TEXT, 0, NULL) < 0)
		progress = NULL;
	return queue_beat(r->queue, r->claim, lease * 1000, progress, e);
}

/* End the claim with r->action->event; what the route does not allow is not in the body. */
static int
end_claim(struct task_request *r, struct err *e)
{
	struct queue_outcome out = {.event = r->action->event,
				    .result = json_object_get(r->body, "result")};
	int64_t exit_status = -1, after = 60;

	if (request_text(r->body, "reason", REQUEST_TEXT, &out.message, e) < 0 ||
	    request_text(r->body, "code", 64, &out.code, e) < 0 ||
	    request_bool(r->body, "last", &out.last, e) < 0 ||
	    request_number(r->body, "exit", 0, 255, &exit_status, e) < 0 ||
	    request_number(r->body, "after", 0, REQUEST_SPAN, &after, e) < 0)
		return -1;
	out.exit = (int)exit_status;
	out.pause = after * 1000;
	return queue_finish(r->queue, r->claim, &out, e);
}

static int
ask_question(struct task_request *r, struct err *e)
{
	const struct queue_asked before = {.max = r->tenant.caller->token.limits.questions};
	json_t *question = question_make(r->body, e);

	if (question == NULL)
		return -1;
	if (queue_ask(r->queue, r->claim, question, &before, e) < 0) {
		json_decref(question);
		return -1;
	}
	r->answer = question;
	return 0;
}

/* What became of a question: with an outcome, if it is over. */
static int
poll_question(struct task_request *r, struct err *e)
{
	const char *id = jsonx_string(r->body, "question", QUESTION_ID - 1, e);

	if (id == NULL)
		return -1;
	int status = queue_question_poll(r->queue, r->claim, id, &r->answer, e);
	if (status == 0)
		r->answer = json_pack("{ss}", "id", id);
	return status < 0 ? -1 : 0;
}

static int
take_answer(struct task_request *r, struct err *e)
{
	const char *id, *answer, *by = r->tenant.caller->token.name;

	if (question_answer_of(r->body, &id, &answer, e) < 0)
		return -1;
	return queue_answer(r->queue, r->claim.number, id, answer, by[0] != '\0' ? by : NULL, e);
}

static int
control_task(struct task_request *r, struct err *e)
{
	const char *reason;

	if (request_text(r->body, "reason", REQUEST_TEXT, &reason, e) < 0)
		return -1;
	return queue_control(r->queue, r->claim.number, r->action->event, reason, e);
}

static const struct task_action actions[] = {
    {"beat", "attempt lease progress", QUEUE_EVENTS, beat_claim},
    {"finish", "attempt result", QUEUE_COMPLETE, end_claim},
    {"fail", "attempt reason code exit last result", QUEUE_FAIL, end_claim},
    {"return", "attempt reason", QUEUE_RETURN, end_claim},
    {"limit", "attempt reason after", QUEUE_LIMIT, end_claim},
    {"ask", "attempt text type options default timeout secret", QUEUE_ASK, ask_question},
    {"hear", "attempt question", QUEUE_EVENTS, poll_question},
    {"answer", "question answer", QUEUE_ANSWER, take_answer},
    {"cancel", "reason", QUEUE_CANCEL, control_task},
    {"retry", "", QUEUE_RETRY, control_task},
    {"pause", "", QUEUE_PAUSE, control_task},
    {"resume", "", QUEUE_RESUME, control_task},
};

void
work_act(struct http *h)
{
	const struct task_action *a = actions;

	/* Only the paths of these are routes. */
	while (strcmp(a->name, strrchr(http_variable(h, "PATH_INFO"), '/') + 1) != 0)
		a++;
	request_task(h, a);
}
