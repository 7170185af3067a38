#include "worker/supply.h"

#include <stdio.h>

#include "assignment/assignment.h"
#include "base/clock.h"

#define RETRY_MS 1000

int
supply_open(struct supply *s, const enum queue_event *recovery, struct err *e)
{
	if (s->queue != NULL)
		return 0;
	struct queue *q = queue_open(s->name, true, e);
	if (q == NULL)
		return -1;
	s->waiter = queue_watch(q, QUEUE_TASK, e);
	if (s->waiter == NULL) {
		queue_close(q);
		return -1;
	}
	if (recovery != NULL)
		queue_set_recovery(q, *recovery);
	s->queue = q;
	return 0;
}

void
supply_close(struct supply *s)
{
	watch_close(s->waiter);
	queue_close(s->queue);
	s->waiter = NULL;
	s->queue = NULL;
}

bool
supply_failed(struct supply *s)
{
	bool news = !s->failing;

	s->failing = true;
	s->retry_at = clock_steady() + RETRY_MS;
	return news;
}

struct telling {
	const char *text;
	uint64_t last;
};

static int
tell_delegator(void *arg, const json_t *task)
{
	struct telling *t = arg;
	const char *id = task_assignment(task);

	if (id != NULL) /* one that has ended meanwhile waits no more */
		(void)assignment_progress(id, task_run_number(task), t->text, NULL);
	t->last = (uint64_t)task_number(task);
	return 0;
}

void
supply_tell(struct supply *s, const char *why)
{
	char text[320];
	struct telling t = {text, s->told};
	const struct queue_filter waiting = {
	    .states = (uint32_t)1 << QUEUE_PENDING, .after = s->told, .payload = true};

	(void)snprintf(text, sizeof text, "nobody works here now: %s", why);
	(void)queue_list(s->queue, &waiting, tell_delegator, &t, NULL);
	s->told = t.last;
}
