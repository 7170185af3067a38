/*
 * queue/wait - how whoever waits is woken: by the directory in which something is written, bell/
 * when a task may be taken, and that of the head for every change.
 */
#include "queue/private.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "config/home.h"

_Static_assert(QUEUE_POLL_MS == WATCH_POLL_MS, "who waits for a queue polls as a watch does");

struct watch *
queue_watch(const struct queue *q, enum queue_news news, struct err *e)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/queue/%s%s", home_path(), q->name,
			 news == QUEUE_TASK ? "/bell" : "");

	if (n >= 0 && (size_t)n < sizeof path)
		return watch_open(path, e);
	err_set(e, ERR_CONFIG, "the path of queue %s is too long", q->name);
	return NULL;
}

int
queue_pause(int64_t next)
{
	int64_t ms = next == 0 ? QUEUE_POLL_MS : next - clock_now();

	return ms < 1 ? 1 : ms > QUEUE_POLL_MS ? QUEUE_POLL_MS : (int)ms;
}
