/* Checks of the queues, and of who gets no work. */
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "doctor/private.h"
#include "queue/queue.h"
#include "state/breaker.h"

#define UNFIT_MAX 1000 /* tasks that no worker fits, of a queue; then there are enough */

struct unfit {
	size_t count;
	char why[200]; /* of the first */
};

static int
count_unfit(void *arg, const json_t *task)
{
	struct unfit *u = arg;

	if (u->count++ == 0)
		(void)snprintf(u->why, sizeof u->why, "%s", task_unfit(task));
	return u->count == UNFIT_MAX;
}

static void
check_unfit(struct doctor *d, struct queue *q, const char *name)
{
	const struct queue_filter pending = {.states = (uint32_t)1 << QUEUE_PENDING, .unfit = true};
	struct unfit u = {.count = 0};
	char advice[160];
	struct err e;

	if (queue_list(q, &pending, count_unfit, &u, &e) < 0) {
		doctor_fail(d, DOCTOR_BAD, "queues", &e);
		return;
	}
	if (u.count == 0)
		return;
	(void)snprintf(advice, sizeof advice,
		       "awcp-queue list -q %.64s shows them; start a worker that has it", name);
	doctor_advise(d, DOCTOR_WARN, "queues", advice, "%zu task%s of queue %s wait%s: %s",
		      u.count, u.count == 1 ? "" : "s", name, u.count == 1 ? "s" : "", u.why);
}

static void
check_queue(struct doctor *d, const char *name)
{
	uint64_t version;
	struct err e;

	if (!queue_name_valid(name)) {
		doctor_advise(d, DOCTOR_WARN, "queues", "rename or remove it",
			      "queue/%s has no name that a queue may have", name);
		return;
	}
	struct queue *q = queue_open(name, false, &e);
	if (q != NULL)
		queue_look_only(q);
	if (q == NULL || queue_version(q, &version, &e) < 0)
		doctor_fail(d, DOCTOR_BAD, "queues", &e);
	else
		check_unfit(d, q, name);
	queue_close(q);
}

void
doctor_queues(struct doctor *d)
{
	size_t previous = d->wrong;
	size_t count = 0;

	DIR *dir = home_list("queue");
	for (const char *name; (name = file_next(&dir)) != NULL; count++)
		check_queue(d, name);
	if (d->wrong == previous)
		doctor_report(d, DOCTOR_OK, "queues", "%zu", count);
}

struct closed {
	struct doctor *doctor;
	size_t count;
};

static int
report_closed(void *arg, const struct breaker *b)
{
	struct closed *c = arg;
	char until[CLOCK_TEXT], advice[BREAKER_NAME + 64];

	c->count++;
	(void)snprintf(advice, sizeof advice, "awcp-run --clear %s lets it go on at once", b->name);
	doctor_advise(c->doctor, DOCTOR_WARN, "work", advice,
		      "%s %s %s: it gets no work until %s: %s", breaker_kind_name(b->kind), b->name,
		      b->stopped ? "is stopped" : "cools down", clock_format(b->until, until),
		      b->why);
	return 0;
}

void
doctor_breakers(struct doctor *d)
{
	struct closed c = {.doctor = d};
	struct err e;

	if (breaker_each_closed(report_closed, &c, &e) < 0)
		doctor_fail(d, DOCTOR_BAD, "work", &e);
	else if (c.count == 0)
		doctor_report(d, DOCTOR_OK, "work", "nothing is stopped");
}
