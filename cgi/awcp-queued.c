/*
 * awcp-queued - queues over HTTP: for programs that put tasks, and for workers elsewhere.
 *
 * FastCGI behind a web server that mounts it at /queue, or one request as plain CGI.  It keeps
 * nothing: every answer is made from the files of the queue, which commands on this machine use at
 * the same time.
 */
#include <stdio.h>

#include "config/config.h"
#include "config/home.h"
#include "events/loop.h"
#include "http/body.h"
#include "queued/changes.h"
#include "queued/control.h"
#include "queued/list.h"
#include "queued/marks.h"
#include "queued/output.h"
#include "queued/put.h"
#include "queued/queues.h"
#include "queued/request.h"
#include "queued/work.h"

#define BODY_MAX (QUEUE_PAYLOAD + (size_t)65536)

static void
post_tasks(struct http *h)
{
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || put_answer(h, &t, &e) < 0)
		http_fail(h, &e);
}

static void
get_task(struct http *h)
{
	json_t *task = NULL;
	struct tenant t;
	struct err e;
	uint64_t n;

	if (tenant_admit(h, &t, &e) < 0 || tenant_task(h, &n, &e) < 0) {
		http_fail(h, &e);
		return;
	}
	struct queue *q = queues_borrow(t.queue, false, &e);
	if (q != NULL && tenant_owns(&t, q, n, &e) == 0)
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
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || list_answer(h, &t, &e) < 0)
		http_fail(h, &e);
}

static void
get_output(struct http *h)
{
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || output_answer(h, &t, &e) < 0)
		http_fail(h, &e);
}

static void
post_read(struct http *h)
{
	json_t *o = NULL;
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || (o = body_json(h, BODY_MAX, false, &e)) == NULL ||
	    marks_set(&t, o, &e) < 0)
		http_fail(h, &e);
	else
		request_ok(h);
	json_decref(o);
}

static void
get_events(struct http *h)
{
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || changes_stream(h, t.name, &e) < 0)
		http_fail(h, &e);
}

static void
get_stats(struct http *h)
{
	json_t *stats = NULL;
	struct queue *q = NULL;
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) == 0)
		q = queues_borrow(t.queue, false, &e);
	if (q != NULL)
		stats = queue_stats(q, t.name, &e);
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
    {"POST", "/queue/:id/claim", work_claim},
    {"POST", "/queue/:id/tasks/:id/beat", work_beat},
    {"POST", "/queue/:id/tasks/:id/finish", work_finish},
    {"POST", "/queue/:id/tasks/:id/fail", work_fail},
    {"POST", "/queue/:id/tasks/:id/return", work_return},
    {"POST", "/queue/:id/tasks/:id/limit", work_limit},
    {"POST", "/queue/:id/tasks/:id/ask", work_ask},
    {"POST", "/queue/:id/tasks/:id/hear", work_hear},
    {"POST", "/queue/:id/tasks/:id/answer", control_answer},
    {"POST", "/queue/:id/tasks/:id/cancel", control_cancel},
    {"POST", "/queue/:id/tasks/:id/retry", control_retry},
    {"POST", "/queue/:id/tasks/:id/pause", control_pause},
    {"POST", "/queue/:id/tasks/:id/resume", control_resume},
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
