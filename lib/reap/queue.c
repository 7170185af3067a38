/*
 * Queues: claims that lapsed are returned or end, by the queue's policy; tasks that waited for
 * their time, or for another task, may be taken.  A queue does this itself whenever a task is taken
 * from it; here it is done for queues that nobody takes from.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/clock.h"
#include "config/home.h"
#include "queue/queue.h"
#include "reap/private.h"
#include "state/breaker.h"

#define CHANGES 20000 /* of a queue that are read in a run, to forget old tasks */
#define QUEUES_MS 500 /* then the other queues are left to the next run */

static void
tend_queue(struct reap *r, const char *name)
{
	struct reap_action action;
	struct err e;

	struct queue *q = queue_open(name, false, &e);
	if (q == NULL) {
		/* It may have been removed meanwhile; what is damaged stops no other. */
		if (e.code != ERR_NOT_FOUND && e.code != ERR_USAGE)
			reap_warn(r, "%s", e.message);
		return;
	}
	int64_t due = queue_due(q, &e);
	if (due > 0) {
		reap_describe(&action, REAP_QUEUE, name, "tend",
			      "%lld of its tasks are due, or lost", (long long)due);
		if (reap_may(r, &action))
			reap_done(r, &action, queue_tend(q, &e), &e);
	} else if (due < 0) {
		reap_warn(r, "queue %s: %s", name, e.message);
	}
	queue_close(q);
}

/* The pause of ${g} is over. */
static int
end_pause(void *arg, const struct breaker *g)
{
	bool waited = g->until != 0;
	struct reap *r = arg;
	struct reap_action action;
	char id[160];
	struct err e;

	(void)snprintf(id, sizeof id, "%s.%s", breaker_kind_name(g->kind), g->name);
	reap_describe(&action, REAP_BREAKERS, id, waited ? "clear" : "forget", "%s%s%s",
		      g->stopped ? "the stop is over"
		      : waited   ? "the pause is over"
				 : "its last failure was long ago",
		      g->why[0] != '\0' ? ": " : "", g->why);
	if (reap_may(r, &action))
		reap_done(r, &action, breaker_end(g->kind, g->name, &e), &e);
	return 0;
}

void
reap_breakers(struct reap *r)
{
	struct err e;

	if (breaker_each_over(end_pause, r, &e) < 0)
		reap_warn(r, "breakers: %s", e.message);
}

/* Forget the tasks whose retention is over. */
static void
retire_tasks(struct reap *r, const char *name)
{
	struct queue_retired done = {.tasks = 0};
	struct reap_action action;
	struct err e;

	struct queue *q = r->doubt ? NULL : queue_open(name, false, &e);
	if (q == NULL)
		return;
	int status = queue_retire(q, -1, CHANGES, r->options->dry, &done, &e);
	reap_describe(&action, REAP_RETENTION, name, "retire",
		      "%" PRIu64 " of its tasks ended longer ago than they are kept", done.tasks);
	if (done.tasks > 0 || status < 0)
		reap_done(r, &action, status < 0 ? -1 : 0, &e);
	queue_close(q);
}

/* Call ${each} for every queue, as long as there is time. */
static void
each_queue(struct reap *r, void (*each)(struct reap *r, const char *name))
{
	int64_t until = clock_steady() + QUEUES_MS;

	DIR *dir = home_list("queue");
	for (const char *name; (name = file_next(&dir)) != NULL;)
		if (name[0] != '.' && clock_steady() < until)
			each(r, name);
}

void
reap_queues(struct reap *r)
{
	each_queue(r, tend_queue);
}

void
reap_tasks(struct reap *r)
{
	each_queue(r, retire_tasks);
}
