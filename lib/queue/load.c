/* queue/load - what a tenant has in a queue that has not ended. */
#include "queue/private.h"

struct counting {
	struct queue *queue;
	uint32_t tenant; /* hash */
	struct queue_load *load;
	struct err *e;
};

static int
count_block(void *arg, uint64_t number, const struct queue_block *b)
{
	const struct counting *x = arg;
	unsigned left = queue_block_unfinished(b);

	uint64_t n = number * QUEUE_CELLS + 1, end = n + QUEUE_CELLS;
	for (; left > 0 && n < end; n++) {
		const struct queue_cell *c = queue_index_cell(&x->queue->index, n, x->e);
		if (c == NULL)
			return -1;
		if (c->put == 0 || queue_state_ended((enum queue_state)c->state))
			continue;
		left--;
		if (c->tenant != x->tenant)
			continue;
		x->load->tasks++;
		x->load->bytes += queue_cell_bytes(c);
	}
	return 0;
}

int
queue_load(struct queue *q, const char *tenant, struct queue_load *l, struct err *e)
{
	struct counting x = {q, (uint32_t)queue_hash(tenant), l, e};

	return queue_refresh(q, e) < 0 ? -1 : queue_index_blocks(&q->index, count_block, &x, e);
}
