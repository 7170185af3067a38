/* queue/size - how a cell keeps the size of its task's line. */
#include "queue/index.h"

/* A cell has a byte for it: the place of the highest bit, and the three bits after that. */
#define STEPS 8U

uint8_t
queue_cell_size(uint64_t bytes)
{
	unsigned bit = 3;

	if (bytes < STEPS)
		return (uint8_t)(bytes > 0);
	while (bytes >> bit >= 2 && bit < 30)
		bit++;
	uint64_t steps = (bytes >> (bit - 3)) - STEPS;
	return (uint8_t)(bit * STEPS + (steps < STEPS ? steps : STEPS - 1));
}

uint64_t
queue_cell_bytes(const struct queue_cell *c)
{
	if (c->size < 3 * STEPS)
		return c->size;
	return (uint64_t)(STEPS + c->size % STEPS + 1) << (c->size / STEPS - 3);
}
