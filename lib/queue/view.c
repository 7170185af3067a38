/*
 * queue/view - what a reader is told of a task beside what is in its record: what is so without
 * anybody having written it down.
 */
#include "queue/private.h"

#include <stdio.h>

/* "gpu, cuda" */
static void
list_required(const json_t *task, char *out, size_t size)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach (task_requires(task), i, one)
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "",
					      json_string_value(one));
}

static int
view_unfit(json_t *task, struct err *e)
{
	char required[200] = "", text[240];

	list_required(task, required, sizeof required);
	(void)snprintf(text, sizeof text, "no worker of late has %s", required);
	return task_set_unfit(task, text) < 0 ? err_memory(e) : 0;
}

int
queue_view(struct queue *q, json_t *task, struct err *e)
{
	enum queue_state state = queue_task_state(task);

	if (queue_state_held(state) &&
	    queue_running_state(q, (uint64_t)task_number(task)) != QUEUE_HOLDS)
		return task_set_state(task, queue_state_name(QUEUE_LAPSED)) < 0 ? err_memory(e) : 0;
	if (state == QUEUE_PENDING && json_array_size(task_requires(task)) > 0 &&
	    !queue_workers_fit(q, task))
		return view_unfit(task, e);
	return 0;
}
