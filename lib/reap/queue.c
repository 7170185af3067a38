/*
 * Queues: claims that lapsed are returned or end, by the queue's policy; what waited for its time,
 * or for a task that has ended, may be taken.  Queues do this by themselves when something is taken
 * from them; here it is done for those that nobody takes from.
 */
#include "reap/private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "state/breaker.h"
#include "config/home.h"
#include "base/id.h"
#include "queue/queue.h"

#define CHANGES 20000 /* of a queue that are looked at in a run, to forget what is old */
#define QUEUES_MS 500 /* of many queues the rest is for the next run */

static void
tend(struct reap *r, const char *name)
{
	struct reap_deed d;
	struct err e;

	struct queue *q = queue_open(name, false, &e);
	if (q == NULL)
		return; /* removed meanwhile, or made just now */
	int64_t due = queue_due(q, &e);
	if (due > 0) {
		reap_deed(&d, REAP_QUEUE, name, "tend", "%lld of its tasks are due, or lost",
			  (long long)due);
		if (reap_should(r, &d))
			reap_did(r, &d, queue_tend(q, &e), &e);
	} else if (due < 0) {
		reap_trouble(r, "queue %s: %s", name, e.message);
	}
	queue_close(q);
}

/* Something of ${g} is over. */
static int
free_one(void *arg, const struct breaker *g)
{
	bool waited = g->until != 0;
	struct reap *r = arg;
	struct reap_deed d;
	char id[160];
	struct err e;

	(void)snprintf(id, sizeof id, "%s.%s", breaker_kind_name(g->kind), g->name);
	reap_deed(&d, REAP_BREAKERS, id, waited ? "clear" : "forget", "%s%s%s",
		  g->stopped ? "it was stopped for long enough"
		  : waited   ? "it has cooled down"
			     : "it last died long ago",
		  g->why[0] != '\0' ? ": " : "", g->why);
	if (reap_should(r, &d))
		reap_did(r, &d, breaker_end(g->kind, g->name, &e), &e);
	return 0;
}

void
reap_breakers(struct reap *r)
{
	struct err e;

	if (breaker_over(free_one, r, &e) < 0)
		reap_trouble(r, "guards: %s", e.message);
}

/* Forget the tasks whose retention is over. */
static void
retire(struct reap *r, const char *name)
{
	struct queue_retired done = {.tasks = 0};
	struct reap_deed d;
	struct err e;

	struct queue *q = r->doubt ? NULL : queue_open(name, false, &e);
	if (q == NULL)
		return;
	int status = queue_retire(q, -1, CHANGES, r->options->dry, &done, &e);
	reap_deed(&d, REAP_RETENTION, name, "retire",
		  "%" PRIu64 " of its tasks ended longer ago than they are kept", done.tasks);
	if (done.tasks > 0 || status < 0)
		reap_did(r, &d, status < 0 ? -1 : 0, &e);
	queue_close(q);
}

/* Call ${each} for every queue, as long as there is time. */
static void
each_queue(struct reap *r, void (*each)(struct reap *r, const char *name))
{
	int64_t until = clock_steady() + QUEUES_MS;
	const struct dirent *entry;

	DIR *dir = home_list("queue");
	while (dir != NULL && clock_steady() < until && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			each(r, entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
}

void
reap_queues(struct reap *r)
{
	each_queue(r, tend);
}

void
reap_tasks(struct reap *r)
{
	each_queue(r, retire);
}
