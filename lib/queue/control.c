/* queue/control - what people want with a task: to cancel, pause, resume or retry it. */
#include "queue/private.h"

/* Control task ${number}; the lock is held. */
static int
control_task(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
	     struct err *e)
{
	struct queue_cell cell;
	int status = -1;

	if (queue_find(q, number, &cell, e) < 0)
		return -1;
	json_t *task = queue_read(q, &cell, false, e);
	if (task == NULL)
		return -1;
	if (queue_rule_control(task, event, reason, e) < 0 || queue_change(q, task, false, e) < 0 ||
	    queue_write(q, 0, e) < 0)
		goto out;
	if (event == QUEUE_CANCEL) {
		queue_drop_secrets(q, task);
		queue_running_remove(q, number);
	}
	status = 0;
out:
	json_decref(task);
	return status;
}

int
queue_control(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
	      struct err *e)
{
	if (queue_begin(q, e) < 0)
		return -1;
	if (control_task(q, number, event, reason, e) < 0) {
		queue_abort(q);
		return -1;
	}
	return queue_end(q, true, e);
}
