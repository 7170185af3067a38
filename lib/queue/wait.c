/*
 * queue/wait - how whoever waits is woken: by the directory in which something is written, bell/
 * when a task may be taken, and that of the head for every change.
 */
#include "queue/private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/watch.h"
#include "config/home.h"

_Static_assert(QUEUE_POLL_MS == WATCH_POLL_MS, "a waiter polls as a watch does");

struct queue_waiter {
	struct watch *watch;
};

struct queue_waiter *
queue_waiter_open(const struct queue *q, enum queue_news news, struct err *e)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/queue/%s%s", home_path(), q->name,
			 news == QUEUE_TASK ? "/bell" : "");

	if (n < 0 || (size_t)n >= sizeof path) {
		err_set(e, ERR_CONFIG, "the path of queue %s is too long", q->name);
		return NULL;
	}
	struct queue_waiter *w = malloc(sizeof *w);
	if (w == NULL) {
		err_memory(e);
		return NULL;
	}
	w->watch = watch_open(path, e);
	if (w->watch != NULL)
		return w;
	free(w);
	return NULL;
}

void
queue_waiter_close(struct queue_waiter *w)
{
	if (w == NULL)
		return;
	watch_close(w->watch);
	free(w);
}

int
queue_wait(struct queue_waiter *w, int64_t ms, int cancelfd)
{
	return watch_wait(w->watch, cancelfd, ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms);
}

int
queue_wait_due(struct queue_waiter *w, int64_t next, int cancelfd)
{
	int64_t ms = next == 0 ? QUEUE_POLL_MS : next - clock_now();

	return queue_wait(w, ms < QUEUE_POLL_MS ? ms : QUEUE_POLL_MS, cancelfd);
}

int
queue_waiter_fd(const struct queue_waiter *w)
{
	return watch_fd(w->watch);
}

void
queue_waiter_clear(struct queue_waiter *w)
{
	(void)watch_wait(w->watch, -1, 0);
}
