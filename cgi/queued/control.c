#include "queued/control.h"

#include "queue/question.h"
#include "queued/request.h"

static int
take_answer(struct task_request *r, struct err *e)
{
	const char *id, *answer, *by = r->tenant.caller.owner;

	if (question_answer_of(r->body, &id, &answer, e) < 0)
		return -1;
	return queue_answer(r->queue, r->claim.number, id, answer, by[0] != '\0' ? by : NULL, e);
}

void
control_answer(struct http *h)
{
	request_task(h, "question answer", QUEUE_ANSWER, take_answer);
}

static int
control_task(struct task_request *r, struct err *e)
{
	const char *reason;

	if (request_text(r->body, "reason", REQUEST_TEXT, &reason, e) < 0)
		return -1;
	return queue_control(r->queue, r->claim.number, r->event, reason, e);
}

void
control_cancel(struct http *h)
{
	request_task(h, "reason", QUEUE_CANCEL, control_task);
}

void
control_retry(struct http *h)
{
	request_task(h, "", QUEUE_RETRY, control_task);
}

void
control_pause(struct http *h)
{
	request_task(h, "", QUEUE_PAUSE, control_task);
}

void
control_resume(struct http *h)
{
	request_task(h, "", QUEUE_RESUME, control_task);
}
