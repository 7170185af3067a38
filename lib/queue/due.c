/* queue_due - is there something that only the time asks for? */
#include "queue/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"

struct counting {
	int64_t now, due;
};

static int
count_block(void *arg, uint64_t number, const struct queue_block *b)
{
	struct counting *c = arg;

	(void)number;
	c->due += b->soonest != 0 && b->soonest <= c->now;
	return 0;
}

int64_t
queue_due(struct queue *q, struct err *e)
{
	struct counting c = {.now = clock_now()};
	const struct dirent *entry;
	bool died;

	if (queue_look(q, e) < 0 || queue_index_blocks(&q->index, count_block, &c, e) < 0)
		return -1;
	int copy = openat(q->runningfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return err_sys(e, "cannot read running/");
	}
	while ((entry = readdir(dir)) != NULL)
		c.due += strtoull(entry->d_name, NULL, 10) != 0 &&
			 queue_claim_lapsed(q, entry->d_name, &died) != NULL;
	(void)closedir(dir);
	return c.due;
}
