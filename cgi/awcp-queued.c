/*
 * awcp-queued - queues over HTTP: for programs that put tasks, and for workers elsewhere.
 *
 * FastCGI behind a web server that mounts it at /queue, or one request as plain CGI.  It keeps
 * nothing: every answer is made from the files of the queue, which commands on this machine use at
 * the same time.
 */
#include <stdio.h>
#include <string.h>

#include "http/body.h"
#include "queued/changes.h"
#include "queued/claim.h"
#include "config/config.h"
#include "config/home.h"
#include "config/settings.h"
#include "http/http.h"
#include "base/jsonx.h"
#include "events/loop.h"
#include "queued/list.h"
#include "queued/put.h"
#include "http/query.h"
#include "queue/question.h"
#include "queued/queues.h"
#include "queued/marks.h"
#include "queued/output.h"
#include "queued/tenant.h"

#define BODY_MAX (QUEUE_PAYLOAD + (size_t)65536) /* a result may be in it */
#define DAYS 86400
#define TEXT_MAX 2000

static void
ok(struct http *h)
{
	http_json(h, 200, json_pack("{sb}", "ok", 1));
}

static void
post_tasks(struct http *h)
{
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || put_answer(h, &v, &e) < 0)
		http_fail(h, &e);
}

/* The number at ${name}, or ${otherwise} if there is none. */
static int
number(const json_t *o, const char *name, int64_t least, int64_t most, int64_t otherwise,
       int64_t *value, struct err *e)
{
	*value = otherwise;
	return json_object_get(o, name) == NULL ? 0 : jsonx_integer(o, name, least, most, value, e);
}

/* The text at ${name}, or NULL if there is none. */
static int
text(const json_t *o, const char *name, size_t most, const char **value, struct err *e)
{
	*value = NULL;
	if (json_object_get(o, name) == NULL)
		return 0;
	*value = jsonx_string(o, name, most, e);
	return *value == NULL ? -1 : 0;
}

static int
truth(const json_t *o, const char *name, bool *value, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	*value = json_is_true(v);
	return v == NULL || json_is_boolean(v)
		   ? 0
		   : err_set(e, ERR_BAD_DATA, "%s must be true or false", name);
}

static int
read_wait(void *arg, const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "wait") == 0)
		return query_number(name, value, 0, 300, arg, e);
	return query_unknown(name, "wait", e);
}

static int
check_capabilities(const json_t *list, struct err *e)
{
	const json_t *one;
	size_t i;
	bool fine = list == NULL || (json_is_array(list) && json_array_size(list) <= 64);

	json_array_foreach (list, i, one)
		fine = fine && json_is_string(one);
	return fine ? 0
		    : err_set(e, ERR_BAD_DATA,
			      "capabilities must be an array of at most 64 strings");
}

static int
read_wish(const struct http *h, const struct visit *v, const json_t *o, struct claim_wish *w,
	  struct err *e)
{
	const char *name, *owner = v->caller.owner;
	int64_t wait = 0;

	*w = (struct claim_wish){.queue = v->queue,
				 .tenant = v->tenant,
				 .capabilities = json_object_get(o, "capabilities")};
	if (body_only(o, "worker lease capabilities", e) < 0 ||
	    text(o, "worker", 60, &name, e) < 0 ||
	    number(o, "lease", 1, DAYS, 60, &w->lease, e) < 0 ||
	    check_capabilities(w->capabilities, e) < 0 || query_each(h, read_wait, &wait, e) < 0)
		return -1;
	w->lease *= 1000;
	w->wait = wait * 1000;
	(void)snprintf(w->worker, sizeof w->worker, "%s%s%s", owner,
		       owner[0] != '\0' && name != NULL ? ":" : "", name != NULL ? name : "");
	err_clean(w->worker);
	return 0;
}

static void
post_claim(struct http *h)
{
	struct claim_wish w;
	struct visit v;
	json_t *o = NULL;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || (o = body_json(h, BODY_MAX, true, &e)) == NULL ||
	    read_wish(h, &v, o, &w, &e) < 0 || claim_answer(h, &w, &e) < 0)
		http_fail(h, &e);
	json_decref(o);
}

/* A request about one task: who sends it, its body with ${members} at most, and its queue, to be
 * given back. */
struct errand {
	struct visit visit;
	json_t *body;
	struct queue *queue;
	uint64_t number;
	int64_t attempt;
};

static int
begin(struct http *h, const char *members, struct errand *x, struct err *e)
{
	*x = (struct errand){.body = NULL};
	if (visit_begin(h, &x->visit, e) < 0 ||
	    (x->body = body_json(h, BODY_MAX, true, e)) == NULL ||
	    visit_number(h, &x->number, e) < 0 || body_only(x->body, members, e) < 0)
		return -1;
	if (body_named(members, "attempt") &&
	    jsonx_integer(x->body, "attempt", 1, UINT32_MAX, &x->attempt, e) < 0)
		return err_hint(e, "it is the claim's");
	x->queue = queues_borrow(x->visit.queue, false, e);
	return x->queue == NULL ? -1 : visit_owns(&x->visit, x->queue, x->number, e);
}

/* Unless it was ${answered}, the answer is what became of it. */
static void
end_with(struct http *h, struct errand *x, int status, bool answered, const struct err *e)
{
	queues_return(x->queue);
	json_decref(x->body);
	if (status < 0)
		http_fail(h, e);
	else if (!answered)
		ok(h);
}

static void
end(struct http *h, struct errand *x, int status, const struct err *e)
{
	end_with(h, x, status, false, e);
}

static void
post_beat(struct http *h)
{
	const char *progress;
	struct errand x;
	int64_t lease;
	struct err e;

	int status = begin(h, "attempt lease progress", &x, &e);
	if (status == 0)
		status = number(x.body, "lease", 1, DAYS, 60, &lease, &e);
	if (status == 0)
		status = text(x.body, "progress", TEXT_MAX, &progress, &e);
	if (status == 0)
		status =
		    queue_beat(x.queue, x.number, (uint32_t)x.attempt, lease * 1000, progress, &e);
	end(h, &x, status, &e);
}

static int
read_outcome(const json_t *o, struct queue_outcome *out, struct err *e)
{
	int64_t exit_status, after;

	out->result = json_object_get(o, "result");
	if (text(o, "reason", TEXT_MAX, &out->message, e) < 0 ||
	    text(o, "code", 64, &out->code, e) < 0 || truth(o, "last", &out->last, e) < 0 ||
	    number(o, "exit", 0, 255, -1, &exit_status, e) < 0 ||
	    number(o, "after", 0, 366 * DAYS, 60, &after, e) < 0)
		return -1;
	out->exit = (int)exit_status;
	out->pause = after * 1000;
	return 0;
}

/* The claim ends with ${event}. */
static void
finish(struct http *h, const char *members, enum queue_event event)
{
	struct queue_outcome out = {.event = event};
	struct errand x;
	struct err e;

	int status = begin(h, members, &x, &e);
	if (status == 0)
		status = read_outcome(x.body, &out, &e);
	if (status == 0)
		status = queue_finish(x.queue, x.number, (uint32_t)x.attempt, &out, &e);
	end(h, &x, status, &e);
}

static void
post_finish(struct http *h)
{
	finish(h, "attempt result", QUEUE_COMPLETE);
}

static void
post_fail(struct http *h)
{
	finish(h, "attempt reason code exit last result", QUEUE_FAIL);
}

static void
post_return(struct http *h)
{
	finish(h, "attempt reason", QUEUE_RETURN);
}

static void
post_limit(struct http *h)
{
	finish(h, "attempt reason after", QUEUE_LIMIT);
}

static void
post_ask(struct http *h)
{
	json_t *question = NULL;
	struct errand x;
	struct err e;

	int status = begin(h, "attempt text type options default timeout secret", &x, &e);
	if (status == 0 && (question = question_make(x.body, &e)) == NULL)
		status = -1;
	if (status == 0)
		status = queue_ask(x.queue, x.number, (uint32_t)x.attempt, question, 0, &e);
	if (status == 0)
		http_json(h, 200, json_incref(question));
	end_with(h, &x, status, status == 0, &e);
	json_decref(question);
}

/* What became of a question: with an outcome, if it is over. */
static void
post_hear(struct http *h)
{
	const char *id = NULL;
	json_t *question = NULL;
	struct errand x;
	struct err e;

	int status = begin(h, "attempt question", &x, &e);
	if (status == 0 && (id = jsonx_string(x.body, "question", QUESTION_ID - 1, &e)) == NULL)
		status = -1;
	if (status == 0)
		status = queue_hear(x.queue, x.number, (uint32_t)x.attempt, id, &question, &e);
	if (status >= 0)
		http_json(h, 200, status == 1 ? question : json_pack("{ss}", "id", id));
	end_with(h, &x, status, status >= 0, &e);
}

static void
post_answer(struct http *h)
{
	const char *id, *answer;
	struct errand x;
	struct err e;

	int status = begin(h, "question answer", &x, &e);
	if (status == 0)
		status = question_answer_of(x.body, &id, &answer, &e);
	if (status == 0) {
		const char *by = x.visit.caller.owner;
		status = queue_answer(x.queue, x.number, id, answer, by[0] != '\0' ? by : NULL, &e);
	}
	end(h, &x, status, &e);
}

/* A person wants it so. */
static void
order(struct http *h, const char *members, enum queue_event event)
{
	const char *reason;
	struct errand x;
	struct err e;

	int status = begin(h, members, &x, &e);
	if (status == 0)
		status = text(x.body, "reason", TEXT_MAX, &reason, &e);
	if (status == 0)
		status = queue_order(x.queue, x.number, event, reason, &e);
	end(h, &x, status, &e);
}

static void
post_cancel(struct http *h)
{
	order(h, "reason", QUEUE_CANCEL);
}

static void
post_retry(struct http *h)
{
	order(h, "", QUEUE_RETRY);
}

static void
post_pause(struct http *h)
{
	order(h, "", QUEUE_PAUSE);
}

static void
post_resume(struct http *h)
{
	order(h, "", QUEUE_RESUME);
}

static void
get_task(struct http *h)
{
	json_t *task = NULL;
	struct visit v;
	struct err e;
	uint64_t n;

	if (visit_begin(h, &v, &e) < 0 || visit_number(h, &n, &e) < 0) {
		http_fail(h, &e);
		return;
	}
	struct queue *q = queues_borrow(v.queue, false, &e);
	if (q != NULL && visit_owns(&v, q, n, &e) == 0)
		task = queue_show(q, n, &e);
	queues_return(q);
	if (task == NULL)
		http_fail(h, &e);
	else
		http_json(h, 200, task);
}

static void
get_tasks(struct http *h)
{
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || page_answer(h, &v, &e) < 0)
		http_fail(h, &e);
}

static void
get_output(struct http *h)
{
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || tail_answer(h, &v, &e) < 0)
		http_fail(h, &e);
}

static void
post_read(struct http *h)
{
	json_t *o = NULL;
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || (o = body_json(h, BODY_MAX, false, &e)) == NULL ||
	    reading_note(&v, o, &e) < 0)
		http_fail(h, &e);
	else
		ok(h);
	json_decref(o);
}

static void
get_events(struct http *h)
{
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) < 0 || changes_stream(h, v.tenant, &e) < 0)
		http_fail(h, &e);
}

static void
get_stats(struct http *h)
{
	json_t *stats = NULL;
	struct queue *q = NULL;
	struct visit v;
	struct err e;

	if (visit_begin(h, &v, &e) == 0 && (q = queues_borrow(v.queue, false, &e)) != NULL)
		stats = queue_stats(q, v.tenant, &e);
	queues_return(q);
	if (stats == NULL)
		http_fail(h, &e);
	else
		http_json(h, 200, stats);
}

static const struct http_route routes[] = {
    {"POST", "/queue/:id/tasks", post_tasks},
    {"GET", "/queue/:id/tasks", get_tasks},
    {"GET", "/queue/:id/tasks/:id", get_task},
    {"POST", "/queue/:id/claim", post_claim},
    {"POST", "/queue/:id/tasks/:id/beat", post_beat},
    {"POST", "/queue/:id/tasks/:id/finish", post_finish},
    {"POST", "/queue/:id/tasks/:id/fail", post_fail},
    {"POST", "/queue/:id/tasks/:id/return", post_return},
    {"POST", "/queue/:id/tasks/:id/limit", post_limit},
    {"POST", "/queue/:id/tasks/:id/ask", post_ask},
    {"POST", "/queue/:id/tasks/:id/hear", post_hear},
    {"POST", "/queue/:id/tasks/:id/answer", post_answer},
    {"POST", "/queue/:id/tasks/:id/cancel", post_cancel},
    {"POST", "/queue/:id/tasks/:id/retry", post_retry},
    {"POST", "/queue/:id/tasks/:id/pause", post_pause},
    {"POST", "/queue/:id/tasks/:id/resume", post_resume},
    {"GET", "/queue/:id/tasks/:id/output", get_output},
    {"POST", "/queue/:id/read", post_read},
    {"GET", "/queue/:id/events", get_events},
    {"GET", "/queue/:id/stats", get_stats},
    {NULL, NULL, NULL},
};

int
main(void)
{
	struct err e;
	long long threads;

	if (config_load(&e) < 0 || home_open(&e) < 0 || caller_policy(&e) < 0 ||
	    loop_policy(&e) < 0 || setting_number(SETTING_THREADS, &threads, &e) < 0 ||
	    http_run("awcp-queued", routes, threads > 65536 ? 65536 : (unsigned)threads, &e) < 0) {
		(void)fprintf(stderr, "awcp-queued: %s%s%s\n", e.message,
			      e.hint[0] != '\0' ? "; " : "", e.hint);
		return err_exit(e.code);
	}
	return 0;
}
