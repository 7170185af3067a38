#include "executor/answers.h"

#include "base/clock.h"
#include "delegation/delegation.h"
#include "queue/queue.h"

/* Unfinished records of a collection, counted by state. */
struct state_counts {
	const char *collection;
	json_t *states; /* an object of numbers */
};

static int
increment(json_t *states, const char *state)
{
	return json_object_set_new(states, state, json_integer(jsonx_number(states, state, 0) + 1));
}

static int
count_record(void *arg, const char *id)
{
	struct state_counts *c = arg;
	struct record r;
	struct err ignored;

	if (record_open(c->collection, id, false, &r, &ignored) == 0)
		/* Out of memory: the gauge is too low this time. */
		(void)increment(c->states, jsonx_text(r.json, "state", "unknown"));
	record_close(&r);
	return 0;
}

static int
print_records(struct buf *out, const char *collection, struct err *e)
{
	struct state_counts c = {collection, json_object()};
	const char *state;
	json_t *number;
	int status = -1;

	if (c.states == NULL || record_list(collection, false, count_record, &c, e) < 0 ||
	    buf_printf(out, e, "# HELP awcp_%s Unfinished %s by state.\n# TYPE awcp_%s gauge\n",
		       collection, collection, collection) < 0)
		goto out;
	status = 0;
	json_object_foreach (c.states, state, number) {
		if (buf_printf(out, e, "awcp_%s{state=\"%s\"} %" JSON_INTEGER_FORMAT "\n",
			       collection, state, json_integer_value(number)) < 0)
			status = -1;
	}
out:
	json_decref(c.states);
	return status;
}

/* Two metrics of all queues: the lines of one may not stand among those of the other. */
struct queues {
	struct buf tasks, oldest;
	struct err *e;
};

static int
print_queue(void *arg, const char *name)
{
	struct queues *all = arg;
	const char *state;
	json_t *number, *stats = NULL;
	struct err ignored;
	int64_t then;
	int status = 0;

	struct queue *q = queue_open(name, false, &ignored);
	if (q != NULL)
		stats = queue_stats(q, NULL, &ignored);
	json_object_foreach (json_object_get(stats, "states"), state, number) {
		if (buf_printf(&all->tasks, all->e,
			       "awcp_tasks{queue=\"%s\",state=\"%s\"} %" JSON_INTEGER_FORMAT "\n",
			       name, state, json_integer_value(number)) < 0)
			status = -1;
	}
	if (clock_parse(jsonx_text(stats, "oldest", ""), &then, NULL) < 0)
		then = clock_now();
	if (stats != NULL &&
	    buf_printf(&all->oldest, all->e, "awcp_queue_oldest_seconds{queue=\"%s\"} %.3f\n", name,
		       (double)(clock_now() - then) / 1000) < 0)
		status = -1;
	json_decref(stats);
	queue_close(q);
	return status;
}

static int
print_queues(struct buf *out, struct err *e)
{
	static const char tasks[] = "# HELP awcp_tasks Tasks in queues by state.\n"
				    "# TYPE awcp_tasks gauge\n";
	static const char oldest[] =
	    "# HELP awcp_queue_oldest_seconds How long the oldest task that waits has done so.\n"
	    "# TYPE awcp_queue_oldest_seconds gauge\n";
	struct queues all = {BUF_INIT(out->max), BUF_INIT(out->max), e};

	int status = queue_each(print_queue, &all, e);
	if (status < 0)
		goto out;
	if (buf_add(out, tasks, sizeof tasks - 1, e) < 0 ||
	    buf_add(out, all.tasks.data, all.tasks.len, e) < 0 ||
	    buf_add(out, oldest, sizeof oldest - 1, e) < 0 ||
	    buf_add(out, all.oldest.data, all.oldest.len, e) < 0)
		status = -1;
out:
	buf_free(&all.tasks);
	buf_free(&all.oldest);
	return status;
}

int
gauges_print(struct buf *out, struct err *e)
{
	if (print_records(out, DELEGATIONS, e) < 0 || print_records(out, ASSIGNMENTS, e) < 0)
		return -1;
	return print_queues(out, e);
}
