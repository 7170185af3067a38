#include "queued/claim.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "events/offload.h"
#include "http/fastcgi.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "events/slots.h"
#include "queued/queues.h"
#include "base/watch.h"
#include "http/log.h"

#define AT_ONCE 256     /* connections that are seen to before anything else */
#define CAPABILITIES 64 /* of a worker */

/* A worker that waits, and then the answer to it. */
struct waiter {
	struct offload_job job;
	struct fastcgi connection;
	struct claim_wish wish; /* with texts of its own */
	int64_t until;          /* clock_steady */
	struct line *line;
	TAILQ_ENTRY(waiter) next;
	bool claimed;
	struct queue_claim claim;
	struct err failed; /* ERR_NONE: nothing did */
};

/* Those that may take the same tasks, in the order in which they came. */
struct line {
	char *queue, *tenant;
	json_t *capabilities;
	TAILQ_HEAD(waiters, waiter) waiters;
	LIST_ENTRY(line) next;
	int watch;
	bool rung;
	int64_t due; /* clock_steady: look again then */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(arrivals, waiter) arrived = TAILQ_HEAD_INITIALIZER(arrived); /* under the lock */
static bool running;                                                           /* likewise */

/* Of the thread, once it runs. */
static LIST_HEAD(line_list, line) lines = LIST_HEAD_INITIALIZER(lines);
static struct watch_set *watches;
static int epollfd = -1, wakefd = -1;
static int64_t soonest = INT64_MAX; /* the first .until, or before it */

/* One try: 1, 0 if there is no task, -1.  *${pause}: ms until there may be one without a bell. */
static int
take(const struct claim_wish *w, struct queue_claim *c, int64_t *pause, struct err *e)
{
	const char *has[CAPABILITIES + 1] = {NULL};
	const struct queue_worker worker = {
	    .name = w->worker, .lease = w->lease, .capabilities = has, .tenant = w->tenant};
	const json_t *one;
	size_t i;
	int64_t next;

	json_array_foreach (w->capabilities, i, one)
		if (i < CAPABILITIES)
			has[i] = json_string_value(one);
	struct queue *q = queues_borrow(w->queue, w->wait > 0, e);
	int status = q == NULL ? -1 : queue_take(q, &worker, c, &next, e);
	/* The worker may outlive us: a claim that it knows of must not be given again. */
	if (status == 1 && queue_claim_sync(q, c, e) < 0) {
		queue_claim_free(c);
		status = -1; /* its lease ends in time */
	}
	queues_return(q);
	if (status < 0)
		return -1;
	int64_t left = next == 0 ? WATCH_POLL_MS : next - clock_now();
	*pause = left < 1 ? 1 : left > WATCH_POLL_MS ? WATCH_POLL_MS : left;
	return status;
}

/* Tell the worker what it has, or that there is nothing. */
static void
tell(struct http *h, const struct claim_wish *w, struct queue_claim *c, bool claimed)
{
	char id[QUEUE_ID];

	if (!claimed) {
		http_begin(h, 204, "application/json", "Cache-Control: no-store\r\n");
		return;
	}
	(void)snprintf(id, sizeof id, "%s.%llu.%u", w->queue, (unsigned long long)c->number,
		       c->attempt);
	http_json(h, 200, jsonx_set(c->task, "claim", id) < 0 ? NULL : json_incref(c->task));
}

/* Nobody was told of the claim: whoever is next may have it. */
static void
hand_back(const struct claim_wish *w, const struct queue_claim *c)
{
	const struct queue_outcome o = {
	    .event = QUEUE_RETURN, .message = "the worker was gone before it was told", .exit = -1};
	struct err e;

	struct queue *q = queues_borrow(w->queue, false, &e);
	if (q == NULL || queue_finish(q, c->number, c->attempt, &o, &e) < 0)
		http_log("claim: %s", e.message); /* its lease ends in time */
	queues_return(q);
}

static int
send_answer(struct http *h, void *arg)
{
	struct waiter *w = arg;

	if (w->failed.code != ERR_NONE)
		http_fail(h, &w->failed);
	else
		tell(h, &w->wish, &w->claim, w->claimed);
	return http_flush(h);
}

static void
forget(struct waiter *w)
{
	file_close(w->connection.fd);
	queue_claim_free(&w->claim);
	json_decref(w->wish.capabilities);
	free((char *)(uintptr_t)w->wish.queue);
	free((char *)(uintptr_t)w->wish.tenant);
	free(w);
	slots_release();
}

/* Runs in a thread of its own: a reader may be slow. */
static void
answer(struct offload_job *j)
{
	struct waiter *w = (struct waiter *)(void *)j;
	unsigned char end[FASTCGI_END];

	fastcgi_end(&w->connection, end);
	bool told = http_detached(&w->connection, w->wish.queue, send_answer, w) == 0 &&
		    send(w->connection.fd, end, sizeof end, MSG_NOSIGNAL) == (ssize_t)sizeof end;
	if (w->claimed && !told)
		hand_back(&w->wish, &w->claim);
	forget(w);
}

static void
leave_line(struct waiter *w)
{
	struct line *l = w->line;

	(void)epoll_ctl(epollfd, EPOLL_CTL_DEL, w->connection.fd, NULL);
	TAILQ_REMOVE(&l->waiters, w, next);
	if (!TAILQ_EMPTY(&l->waiters))
		return;
	LIST_REMOVE(l, next);
	watch_set_remove(watches, l->watch, l);
	json_decref(l->capabilities);
	free(l->queue);
	free(l->tenant);
	free(l);
}

static void
finish(struct waiter *w)
{
	leave_line(w);
	w->job.work = answer;
	offload_submit(&w->job);
}

/* Give those in the line what there is. */
static void
serve(struct line *l)
{
	struct waiter *w, *after;
	int64_t pause;
	struct err e;

	l->rung = false;
	for (w = TAILQ_FIRST(&l->waiters); w != NULL; w = after) {
		after = TAILQ_NEXT(w, next);
		int status = take(&w->wish, &w->claim, &pause, &e);
		if (status == 0) {
			l->due = clock_steady() + pause;
			break;
		}
		w->claimed = status == 1;
		if (!w->claimed)
			w->failed = e;
		finish(w); /* with the last one the line is no more */
	}
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct line *
find_line(const struct claim_wish *w)
{
	char path[PATH_MAX];
	struct line *l;
	struct err e;

	LIST_FOREACH(l, &lines, next)
	if (strcmp(l->queue, w->queue) == 0 && same_text(l->tenant, w->tenant) &&
	    (l->capabilities == w->capabilities ||
	     json_equal(l->capabilities, w->capabilities) == 1))
		return l;
	l = calloc(1, sizeof *l);
	if (l == NULL || (l->queue = strdup(w->queue)) == NULL ||
	    (w->tenant != NULL && (l->tenant = strdup(w->tenant)) == NULL)) {
		if (l != NULL)
			free(l->queue);
		free(l);
		return NULL;
	}
	l->capabilities = json_incref(w->capabilities);
	TAILQ_INIT(&l->waiters);
	l->watch = -1;
	struct queue *q = queues_borrow(w->queue, true, &e);
	if (q != NULL && queue_bell(q, path, sizeof path, &e) == 0)
		l->watch = watch_set_add(watches, path, l);
	queues_return(q); /* without a watch there is polling */
	LIST_INSERT_HEAD(&lines, l, next);
	return l;
}

static void
take_arrivals(void)
{
	struct waiter *w;
	uint64_t count;

	if (read(wakefd, &count, sizeof count) < 0)
		return;
	for (;;) {
		(void)pthread_mutex_lock(&lock);
		w = TAILQ_FIRST(&arrived);
		if (w != NULL)
			TAILQ_REMOVE(&arrived, w, next);
		(void)pthread_mutex_unlock(&lock);
		if (w == NULL)
			return;
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = w};
		w->line = find_line(&w->wish);
		if (w->line == NULL) {
			forget(w);
			continue;
		}
		TAILQ_INSERT_TAIL(&w->line->waiters, w, next);
		w->line->rung = true; /* there was none, but that was before it was watched */
		if (epoll_ctl(epollfd, EPOLL_CTL_ADD, w->connection.fd, &event) < 0) {
			err_sys(&w->failed, "cannot wait for a task");
			finish(w);
			continue;
		}
		if (w->until < soonest)
			soonest = w->until;
	}
}

/* Whose time is over goes without. */
static void
send_away(int64_t now)
{
	struct line *l, *after;
	struct waiter *w, *behind;

	if (now < soonest)
		return;
	soonest = INT64_MAX;
	for (l = LIST_FIRST(&lines); l != NULL; l = after) {
		after = LIST_NEXT(l, next);
		for (w = TAILQ_FIRST(&l->waiters); w != NULL; w = behind) {
			behind = TAILQ_NEXT(w, next);
			if (w->until <= now)
				finish(w);
			else if (w->until < soonest)
				soonest = w->until;
		}
	}
}

static void
note(void *mark, const char *name)
{
	(void)name;
	((struct line *)mark)->rung = true;
}

static int
until_due(int64_t now)
{
	int64_t due = soonest;
	const struct line *l;

	LIST_FOREACH(l, &lines, next)
	if (l->due < due)
		due = l->due;
	return due == INT64_MAX    ? -1
	       : due <= now        ? 0
	       : due - now > 60000 ? 60000
				   : (int)(due - now);
}

static void *
run(void *unused)
{
	struct epoll_event events[AT_ONCE];
	struct line *l, *after;

	(void)unused;
	for (;;) {
		int n = epoll_wait(epollfd, events, AT_ONCE, until_due(clock_steady()));
		bool woken = false;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &wakefd) {
				woken = true;
			} else if (events[i].data.ptr == &watches) {
				watch_set_read(watches, note);
			} else { /* a web server says no more than that nobody listens any more */
				leave_line(events[i].data.ptr);
				forget(events[i].data.ptr);
			}
		}
		if (woken)
			take_arrivals();
		int64_t now = clock_steady();
		for (l = LIST_FIRST(&lines); l != NULL; l = after) {
			after = LIST_NEXT(l, next);
			if (l->rung || l->due <= now)
				serve(l);
		}
		send_away(now);
	}
	return NULL;
}

static int
watch_fds(struct err *e)
{
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &wakefd};
	struct epoll_event bells = {.events = EPOLLIN, .data.ptr = &watches};

	epollfd = epoll_create1(EPOLL_CLOEXEC);
	wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	watches = watch_set_open(e);
	if (watches == NULL)
		return -1;
	if (epollfd < 0 || wakefd < 0 || epoll_ctl(epollfd, EPOLL_CTL_ADD, wakefd, &wake) < 0)
		return err_sys(e, "cannot wait for tasks");
	if (watch_set_fd(watches) >= 0) /* else there is polling */
		(void)epoll_ctl(epollfd, EPOLL_CTL_ADD, watch_set_fd(watches), &bells);
	int number = offload_thread(run);
	return number == 0 ? 0 : err_set(e, ERR_BUSY, "no thread: %s", strerror(number));
}

/* Begin, once. */
static int
begin(struct err *e)
{
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (!running && (status = watch_fds(e)) < 0) {
		watch_set_close(watches);
		file_close(epollfd);
		file_close(wakefd);
		watches = NULL;
	}
	running |= status == 0;
	(void)pthread_mutex_unlock(&lock);
	return status;
}

/* Stand ${h} in line. */
static int
stand_in_line(struct http *h, const struct claim_wish *wish, struct err *e)
{
	const uint64_t one = 1;

	struct waiter *w = calloc(1, sizeof *w);
	if (w == NULL) {
		slots_release();
		return err_memory(e);
	}
	w->wish = *wish;
	w->wish.queue = strdup(wish->queue);
	w->wish.tenant = wish->tenant != NULL ? strdup(wish->tenant) : NULL;
	w->wish.capabilities = json_incref(wish->capabilities);
	w->until = clock_steady() + wish->wait;
	w->claim.fd = w->connection.fd = -1;
	if (w->wish.queue == NULL || (wish->tenant != NULL && w->wish.tenant == NULL) ||
	    http_detach(h, &w->connection) < 0) {
		forget(w); /* nobody listens any more, or there is no memory */
		return 0;
	}
	(void)pthread_mutex_lock(&lock);
	TAILQ_INSERT_TAIL(&arrived, w, next);
	(void)pthread_mutex_unlock(&lock);
	if (write(wakefd, &one, sizeof one) < 0)
		return 0; /* it is awake already */
	return 0;
}

/* As plain CGI: wait here. */
static int
wait_here(struct http *h, const struct claim_wish *wish, struct queue_claim *c, struct err *e)
{
	int64_t until = clock_steady() + wish->wait, pause, left;
	char path[PATH_MAX];
	int status = 0;

	struct queue *q = queues_borrow(wish->queue, true, e);
	struct watch *w = NULL;
	if (q != NULL && queue_bell(q, path, sizeof path, e) == 0)
		w = watch_open(path, e);
	queues_return(q);
	if (w == NULL)
		return -1;
	while ((status = take(wish, c, &pause, e)) == 0 && (left = until - clock_steady()) > 0)
		if (watch_wait(w, http_peer(h), (int)(left < pause ? left : pause)) == 2)
			break;
	watch_close(w);
	return status;
}

int
claim_answer(struct http *h, const struct claim_wish *w, struct err *e)
{
	struct queue_claim c = {.fd = -1};
	int64_t pause;

	int status = take(w, &c, &pause, e);
	if (status == 0 && w->wait > 0 && http_serves()) {
		if (begin(e) < 0 || slots_take(e) < 0)
			return -1;
		return stand_in_line(h, w, e);
	}
	if (status == 0 && w->wait > 0)
		status = wait_here(h, w, &c, e);
	if (status < 0)
		return -1;
	tell(h, w, &c, status == 1);
	if (http_flush(h) < 0 && status == 1)
		hand_back(w, &c);
	queue_claim_free(&c);
	return 0;
}
