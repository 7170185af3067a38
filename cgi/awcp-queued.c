/*
 * awcp-queued - queues over HTTP: for programs that put tasks, and for workers elsewhere.
 *
 * FastCGI behind a web server that mounts it at /queue, or one request as plain CGI.  It keeps
 * nothing: every answer is made from the files of the queue, which commands on this machine use at
 * the same time.
 */
#include "events/loop.h"
#include "queued/answers.h"

static void
answer(struct http *h, int (*make)(struct http *h, const struct tenant *t, struct err *e))
{
	struct tenant t;
	struct err e;

	if (tenant_admit(h, &t, &e) < 0 || make(h, &t, &e) < 0)
		http_fail(h, &e);
}

static void
post_tasks(struct http *h)
{
	answer(h, put_answer);
}

static void
get_names(struct http *h)
{
	answer(h, names_answer);
}

static void
get_tasks(struct http *h)
{
	answer(h, list_answer);
}

static void
get_output(struct http *h)
{
	answer(h, output_answer);
}

static void
post_read(struct http *h)
{
	answer(h, marks_answer);
}

static void
get_events(struct http *h)
{
	answer(h, changes_answer);
}

static void
post_claim(struct http *h)
{
	answer(h, work_claim);
}

static int
show_task(struct http *h, const struct tenant *t, struct err *e)
{
	json_t *task = NULL;
	uint64_t n;

	if (tenant_task(h, &n, e) < 0)
		return -1;
	struct queue *q = queues_borrow(t->queue, false, e);
	if (q != NULL && tenant_owns(t, q, n, e) == 0)
		task = queue_show(q, n, e);
	queues_return(q);
	if (task != NULL)
		http_json(h, 200, task);
	return task != NULL ? 0 : -1;
}

static void
get_task(struct http *h)
{
	answer(h, show_task);
}

static int
show_stats(struct http *h, const struct tenant *t, struct err *e)
{
	struct queue *q = queues_borrow(t->queue, false, e);
	json_t *stats = q == NULL ? NULL : queue_stats(q, t->name, e);

	queues_return(q);
	if (stats != NULL)
		http_json(h, 200, stats);
	return stats != NULL ? 0 : -1;
}

static void
get_stats(struct http *h)
{
	answer(h, show_stats);
}

static const struct http_route routes[] = {
    {"GET", "/queue", RIGHT_READ, get_names},
    {"POST", "/queue/:id/tasks", RIGHT_PUT | ROUTE_ADDS, post_tasks},
    {"GET", "/queue/:id/tasks", RIGHT_READ, get_tasks},
    {"GET", "/queue/:id/tasks/:id", RIGHT_READ, get_task},
    {"POST", "/queue/:id/claim", RIGHT_WORK | ROUTE_ADDS, post_claim},
    {"POST", "/queue/:id/tasks/:id/beat", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/finish", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/fail", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/return", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/limit", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/ask", RIGHT_WORK | ROUTE_ADDS, work_act},
    {"POST", "/queue/:id/tasks/:id/hear", RIGHT_WORK, work_act},
    {"POST", "/queue/:id/tasks/:id/answer", RIGHT_PUT, work_act},
    {"POST", "/queue/:id/tasks/:id/cancel", RIGHT_PUT, work_act},
    {"POST", "/queue/:id/tasks/:id/retry", RIGHT_PUT | ROUTE_ADDS, work_act},
    {"POST", "/queue/:id/tasks/:id/pause", RIGHT_PUT | ROUTE_ADDS, work_act},
    {"POST", "/queue/:id/tasks/:id/resume", RIGHT_PUT | ROUTE_ADDS, work_act},
    {"GET", "/queue/:id/tasks/:id/output", RIGHT_READ, get_output},
    {"POST", "/queue/:id/read", RIGHT_READ | ROUTE_ADDS, post_read},
    {"GET", "/queue/:id/events", RIGHT_READ, get_events},
    {"GET", "/queue/:id/stats", RIGHT_READ, get_stats},
    {NULL, NULL, 0, NULL},
};

int
main(void)
{
	return http_main("awcp-queued", routes, loop_policy);
}
