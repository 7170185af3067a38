/* queue/put - new tasks: what is asked for is completed and written. */

#include "base/clock.h"
#include "queue/private.h"

/* Whether a task with this key is there already: 1, 0, or -1. */
static int
find_by_key(struct queue *q, const json_t *asked, struct queue_receipt *r, struct err *e)
{
	const char *key = task_key(asked);
	struct queue_cell cell;
	uint64_t number;

	if (key == NULL)
		return 0;
	if (queue_key_find(q, task_tenant(asked), key, &number, e) < 0)
		return -1;
	if (number == 0 || queue_find(q, number, &cell, NULL) < 0 ||
	    cell.key != (uint32_t)queue_hash(key))
		return 0;
	json_t *old = queue_read(q, &cell, true, e);
	if (old == NULL)
		return -1;
	enum queue_key_use use = queue_rule_key(old, asked);
	json_decref(old);
	if (use == QUEUE_KEY_FREE)
		return 0;
	*r = (struct queue_receipt){number, QUEUE_WAS_THERE};
	if (use == QUEUE_KEY_SAME)
		return 1;
	err_set(e, ERR_KEY_REUSED, "the key %.80s was used for another payload, %s.%llu", key,
		q->name, (unsigned long long)number);
	return err_hint(e, "take a key of its own for each task");
}

/* The task as it will be: what was asked for, and what is the queue's. */
static json_t *
make_task(struct queue *q, json_t *asked, uint64_t number, struct err *e)
{
	char id[QUEUE_ID], name[64], now[CLOCK_TEXT];
	json_t *task = json_object();

	queue_format_id(q->name, (struct queue_claim_id){number, 0}, id);
	queue_human_name(number, name);
	if (task_set_id(task, id) < 0 || task_set_name(task, name) < 0 ||
	    task_set_number(task, (int64_t)number) < 0 ||
	    task_set_created(task, clock_format(clock_now(), now)) < 0 ||
	    task_set_state(task, queue_state_name(QUEUE_NONE)) < 0 ||
	    json_object_update(task, asked) < 0) {
		json_decref(task);
		err_memory(e);
		return NULL;
	}
	return task;
}

/* Add ${task} in its first state. */
static int
add_task(struct queue *q, json_t *task, struct err *e)
{
	struct queue_needs needs;

	if (queue_count_needs(q, task, &needs, e) < 0 || queue_rule_put(task, &needs, e) < 0 ||
	    queue_note_put(q, task, e) < 0)
		return -1;
	return queue_change(q, task, true, e);
}

static int
put_task(struct queue *q, json_t *asked, struct queue_receipt *r, struct err *e)
{
	bool refers = task_key(asked) != NULL || json_array_size(task_depends_on(asked)) > 0;

	if (queue_admit(asked, e) < 0)
		return -1;
	/* Those before it in the batch may have the same key, or be what it depends on. */
	if (refers && queue_write(q, QUEUE_KEEP_NEW, e) < 0)
		return -1;
	int there = find_by_key(q, asked, r, e);
	if (there != 0)
		return there < 0 ? -1 : 0;
	uint64_t number = q->index.head.count + q->changes + 1;
	json_t *task = make_task(q, asked, number, e);
	if (task == NULL)
		return -1;
	int status = add_task(q, task, e);
	json_decref(task);
	*r = (struct queue_receipt){number, QUEUE_WAS_PUT};
	return status;
}

int
queue_put(struct queue *q, json_t *const *asked, size_t n, struct queue_receipt *receipts,
	  size_t *done, struct err *e)
{
	struct err why;
	size_t i = 0;

	*done = 0;
	if (queue_begin(q, e) < 0)
		return -1;
	while (i < n && put_task(q, asked[i], &receipts[i], e) == 0)
		*done = ++i - q->changes; /* the last ones are not written yet */
	/* Those before one that cannot be put are put; ${e} says why that one cannot. */
	int status = i < n ? -1 : 0;
	bool pending = q->changes > 0;
	if (queue_write(q, QUEUE_KEEP_NEW, status < 0 ? &why : e) < 0)
		status = -1;
	else if (pending)
		*done = i;
	if (queue_end(q, 0, true, status < 0 ? &why : e) == 0)
		return status;
	if (status == 0) /* it is not known to be durable */
		*done = 0;
	return -1;
}
