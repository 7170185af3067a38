/* queue/due - is there something that only the time asks for? */
#include "queue/running.h"
#include "queue/transaction.h"

#include "base/clock.h"

struct due_count {
	int64_t now, due;
};

static int
count_due_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct due_count *c = arg;

	(void)number;
	c->due += b->soonest != 0 && b->soonest <= c->now;
	return 0;
}

static int
count_lapsed(void *arg, uint64_t number, enum queue_lapse why)
{
	struct due_count *c = arg;

	(void)number;
	(void)why;
	c->due++;
	return 0;
}

int64_t
queue_due(struct queue *q, struct err *e)
{
	struct due_count c = {.now = clock_now()};

	if (queue_refresh(q, e) < 0 || queue_index_blocks(&q->index, count_due_block, &c, e) < 0 ||
	    queue_running_lapsed(q, count_lapsed, &c, e) < 0)
		return -1;
	return c.due;
}
