#include "queue/private.h"

int
queue_count_needs(struct queue *q, const json_t *task, struct queue_needs *n, struct err *e)
{
	bool put = queue_task_state(task) == QUEUE_NONE;
	struct queue_cell cell;
	uint64_t number;
	const json_t *id;
	struct err why;
	size_t i;

	*n = (struct queue_needs){0, NULL};
	json_array_foreach (task_depends_on(task), i, id) {
		if (queue_number_of(q, json_string_value(id), &number, e) < 0)
			return -1;
		if (queue_find(q, number, &cell, &why) < 0) {
			if (put || (why.code != ERR_NOT_FOUND && why.code != ERR_EXPIRED)) {
				if (e != NULL)
					*e = why;
				return -1;
			}
			cell.state = QUEUE_UNKNOWN; /* its lines were damaged, every one */
		}
		queue_rule_count_need(task, json_string_value(id), (enum queue_state)cell.state, n);
	}
	return 0;
}

/* True if task ${number} was blocked by another; a copy of its cell in ${cell}. */
static bool
is_blocked(struct queue *q, uint64_t number, struct queue_cell *cell)
{
	return queue_find(q, number, cell, NULL) == 0 && cell->state == QUEUE_BLOCKED;
}

/* True if task ${number} waits for others; a copy of its cell in ${cell}. */
static bool
waits_for_others(struct queue *q, uint64_t number, struct queue_cell *cell)
{
	return queue_find(q, number, cell, NULL) == 0 && (cell->flags & QUEUE_DEPENDS) != 0 &&
	       !queue_state_ended((enum queue_state)cell->state);
}

struct settling {
	struct queue *queue;
	bool waits; /* a task still does, or may do so again */
	struct err *e;
};

/* A task that ${number} waits for, or that blocked it, has ended or is to be done again. */
static int
settle_dependant(void *arg, uint64_t number)
{
	struct settling *s = arg;
	struct queue_needs needs;
	struct queue_cell cell;

	if (!waits_for_others(s->queue, number, &cell) && !is_blocked(s->queue, number, &cell))
		return 0;
	json_t *task = queue_read(s->queue, &cell, false, s->e);
	if (task == NULL)
		return -1;
	int status = queue_count_needs(s->queue, task, &needs, s->e);
	int changed = status < 0 ? -1 : queue_rule_need_ended(task, &needs, s->e);
	if (changed > 0 &&
	    (queue_change(s->queue, task, false, s->e) < 0 || queue_write(s->queue, 0, s->e) < 0))
		changed = -1;
	if (changed >= 0)
		s->waits |= needs.bad != NULL || needs.open > 0;
	json_decref(task);
	return changed < 0 ? -1 : 0;
}

int
queue_settle(struct queue *q, struct err *e)
{
	int status = 0;

	/* What ends in consequence is added at the end of the list. */
	for (size_t i = 0; status >= 0 && i < q->ended_count; i++) {
		struct settling s = {q, false, e};
		uint64_t number = q->ended[i];
		status = queue_each_dependant(q, number, settle_dependant, &s, e);
		/* Of what is blocked the note is kept: the task that blocks it may be tried again.
		 * One that is left over is only looked at again. */
		if (status >= 0 && !s.waits)
			(void)queue_forget_dependants(q, number, NULL);
	}
	q->ended_count = 0;
	return status < 0 ? -1 : 0;
}

static int
is_waiting(void *arg, uint64_t number)
{
	struct queue_cell cell;

	return waits_for_others(arg, number, &cell);
}

int
queue_awaited(struct queue *q, uint64_t number, struct err *e)
{
	return queue_each_dependant(q, number, is_waiting, q, e);
}
