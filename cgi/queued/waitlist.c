#include "queued/claim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "events/offload.h"
#include "http/pool.h"
#include "events/slots.h"
#include "http/fastcgi.h"
#include "queued/request.h"

#define AT_ONCE 256 /* descriptors that are served before anything else */

/* A worker that waits, and then the answer to it. */
struct waiter {
	struct offload_job job; /* first: the job is the waiter */
	struct fastcgi connection;
	struct claim_request request; /* with texts and a pass of its own */
	struct pass pass;             /* which the request refers to */
	int64_t until;                /* clock_steady */
	struct waitlist *list;
	TAILQ_ENTRY(waiter) next;
	struct queue_claim *claim; /* or NULL */
	struct err failed;         /* ERR_NONE: nothing did */
};

/* Those that may take the same tasks, in the order in which they came. */
struct waitlist {
	TAILQ_HEAD(waiters, waiter) waiters; /* one, or more */
	LIST_ENTRY(waitlist) next;
	struct watch *news; /* NULL: there is only polling */
	bool has_news;
	int64_t due; /* clock_steady: look again then */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(arrivals, waiter) arrived = TAILQ_HEAD_INITIALIZER(arrived); /* under the lock */
static bool running;                                                           /* likewise */

/* Of the thread, once it runs. */
static LIST_HEAD(waitlist_list, waitlist) waitlists = LIST_HEAD_INITIALIZER(waitlists);
static int epollfd = -1, wakefd = -1; /* the connections, and who arrives */
static int newsfd = -1;               /* an epoll of the news of all waitlists */
static int64_t soonest = INT64_MAX;   /* the first .until, or before it */

static int
send_claim(struct http *h, void *arg)
{
	struct waiter *w = arg;

	if (w->failed.code != ERR_NONE)
		http_fail(h, &w->failed);
	else
		claim_send(h, &w->request, w->claim);
	return http_flush(h);
}

static void
free_waiter(struct waiter *w)
{
	file_close(w->connection.fd);
	queue_claim_free(w->claim);
	json_decref(w->request.capabilities);
	free((char *)(uintptr_t)w->request.queue);
	free((char *)(uintptr_t)w->request.tenant);
	slots_release(&w->pass);
	free(w);
}

/* In a thread of its own: a client may read slowly. */
static void
answer_waiter(struct offload_job *j)
{
	struct waiter *w = (struct waiter *)(void *)j;
	unsigned char end[FASTCGI_END];

	fastcgi_end(&w->connection, end);
	bool told = http_detached(&w->connection, w->request.queue, send_claim, w) == 0 &&
		    send(w->connection.fd, end, sizeof end, MSG_NOSIGNAL) == (ssize_t)sizeof end;
	if (!told)
		claim_return(&w->request, w->claim);
	free_waiter(w);
}

static void
free_waitlist(struct waitlist *l)
{
	watch_close(l->news); /* which removes it from newsfd */
	free(l);
}

/* Take ${w} off its waitlist, which ends with the last one. */
static void
dequeue_waiter(struct waiter *w)
{
	struct waitlist *l = w->list;

	(void)epoll_ctl(epollfd, EPOLL_CTL_DEL, w->connection.fd, NULL);
	TAILQ_REMOVE(&l->waiters, w, next);
	if (!TAILQ_EMPTY(&l->waiters))
		return;
	LIST_REMOVE(l, next);
	free_waitlist(l);
}

static void
finish_waiter(struct waiter *w)
{
	dequeue_waiter(w);
	w->job.work = answer_waiter;
	offload_submit(&w->job);
}

/* Give those on the waitlist what there is. */
static void
serve_waitlist(struct waitlist *l)
{
	struct waiter *w, *after;
	int64_t pause;
	struct err e;

	l->has_news = false;
	for (w = TAILQ_FIRST(&l->waiters); w != NULL; w = after) {
		after = TAILQ_NEXT(w, next);
		int status = claim_take(&w->request, &w->claim, &pause, &e);
		if (status == 0) {
			l->due = clock_steady() + pause;
			break;
		}
		if (status < 0)
			w->failed = e;
		finish_waiter(w); /* the last one ends the waitlist */
	}
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Have the thread woken by the news of ${l}; without that there is polling. */
static void
watch_queue(struct waitlist *l, const char *queue)
{
	struct epoll_event news = {.events = EPOLLIN, .data.ptr = l};
	struct err e;

	struct queue *q = queues_borrow(queue, true, &e);
	if (q != NULL)
		l->news = queue_watch(q, QUEUE_TASK, &e);
	queues_return(q);
	if (l->news != NULL)
		(void)epoll_ctl(newsfd, EPOLL_CTL_ADD, watch_fd(l->news), &news);
}

static struct waitlist *
make_waitlist(const struct claim_request *r)
{
	struct waitlist *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	TAILQ_INIT(&l->waiters);
	watch_queue(l, r->queue);
	LIST_INSERT_HEAD(&waitlists, l, next);
	return l;
}

static struct waitlist *
find_waitlist(const struct claim_request *r)
{
	struct waitlist *l = NULL;

	LIST_FOREACH(l, &waitlists, next)
	{
		const struct claim_request *other = &TAILQ_FIRST(&l->waiters)->request;
		if (strcmp(other->queue, r->queue) == 0 && is_same_text(other->tenant, r->tenant) &&
		    (other->capabilities == r->capabilities ||
		     json_equal(other->capabilities, r->capabilities) == 1))
			return l;
	}
	return make_waitlist(r);
}

static struct waiter *
next_arrival(void)
{
	(void)pthread_mutex_lock(&lock);
	struct waiter *w = TAILQ_FIRST(&arrived);
	if (w != NULL)
		TAILQ_REMOVE(&arrived, w, next);
	(void)pthread_mutex_unlock(&lock);
	return w;
}

static void
enqueue_arrivals(void)
{
	struct waiter *w;
	uint64_t count;

	if (read(wakefd, &count, sizeof count) < 0)
		return;
	while ((w = next_arrival()) != NULL) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = w};
		w->list = find_waitlist(&w->request);
		if (w->list == NULL) {
			free_waiter(w);
			continue;
		}
		TAILQ_INSERT_TAIL(&w->list->waiters, w, next);
		w->list->has_news = true; /* a task may have come before it was watched */
		if (epoll_ctl(epollfd, EPOLL_CTL_ADD, w->connection.fd, &event) < 0) {
			err_sys(&w->failed, "cannot wait for a task");
			finish_waiter(w);
			continue;
		}
		if (w->until < soonest)
			soonest = w->until;
	}
}

/* Answer those whose time is over, or whose pass is not good any more. */
static void
expire_waiters(int64_t now)
{
	static unsigned seen;
	struct waitlist *l, *next_list;
	struct waiter *w, *after;

	unsigned losses = holder_look();
	if (now < soonest && losses == seen)
		return;
	seen = losses;
	soonest = INT64_MAX;
	for (l = LIST_FIRST(&waitlists); l != NULL; l = next_list) {
		next_list = LIST_NEXT(l, next);
		for (w = TAILQ_FIRST(&l->waiters); w != NULL; w = after) {
			after = TAILQ_NEXT(w, next);
			if (w->until <= now || pass_check(&w->pass, &w->failed) < 0)
				finish_waiter(w);
			else if (w->until < soonest)
				soonest = w->until;
		}
	}
}

/* Note which waitlists have news; an event of one that ended is not reported any more. */
static void
note_news(void)
{
	struct epoll_event events[AT_ONCE];
	int n = epoll_wait(newsfd, events, AT_ONCE, 0);

	for (int i = 0; i < n; i++) {
		struct waitlist *l = events[i].data.ptr;
		(void)watch_wait(l->news, -1, 0);
		l->has_news = true;
	}
}

static int
ms_until_due(int64_t now)
{
	int64_t due = soonest;
	const struct waitlist *l;

	LIST_FOREACH(l, &waitlists, next)
	if (l->due < due)
		due = l->due;
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 0 : due - now > HOLDER_LOOK_MS ? HOLDER_LOOK_MS : (int)(due - now);
}

static void *
run_waitlists(void *unused)
{
	struct epoll_event events[AT_ONCE];
	struct waitlist *l, *after;

	(void)unused;
	for (;;) {
		int n = epoll_wait(epollfd, events, AT_ONCE, ms_until_due(clock_steady()));
		bool woken = false;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &wakefd) {
				woken = true;
			} else if (events[i].data.ptr == &newsfd) {
				note_news();
			} else { /* all that a web server says now is that the client is gone */
				dequeue_waiter(events[i].data.ptr);
				free_waiter(events[i].data.ptr);
			}
		}
		if (woken)
			enqueue_arrivals();
		int64_t now = clock_steady();
		for (l = LIST_FIRST(&waitlists); l != NULL; l = after) {
			after = LIST_NEXT(l, next);
			if (l->has_news || l->due <= now)
				serve_waitlist(l);
		}
		expire_waiters(now);
	}
	return NULL;
}

static int
open_descriptors(struct err *e)
{
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &wakefd};
	struct epoll_event news = {.events = EPOLLIN, .data.ptr = &newsfd};

	epollfd = epoll_create1(EPOLL_CLOEXEC);
	newsfd = epoll_create1(EPOLL_CLOEXEC);
	wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epollfd < 0 || newsfd < 0 || wakefd < 0 ||
	    epoll_ctl(epollfd, EPOLL_CTL_ADD, wakefd, &wake) < 0 ||
	    epoll_ctl(epollfd, EPOLL_CTL_ADD, newsfd, &news) < 0)
		return err_sys(e, "cannot wait for tasks");
	return 0;
}

/* Start the thread, once; the lock is held. */
static int
start_thread(struct err *e)
{
	if (running)
		return 0;
	int status = open_descriptors(e);
	if (status == 0)
		status = pool_thread(run_waitlists, e);
	running = status == 0;
	if (!running) {
		file_close(epollfd);
		file_close(newsfd);
		file_close(wakefd);
	}
	return status;
}

int
waitlist_add(struct http *h, const struct claim_request *r, struct err *e)
{
	const uint64_t one = 1;

	(void)pthread_mutex_lock(&lock);
	int status = start_thread(e);
	(void)pthread_mutex_unlock(&lock);
	if (status < 0 || slots_take(r->pass, e) < 0)
		return -1;
	struct waiter *w = calloc(1, sizeof *w);
	if (w == NULL) {
		slots_release(r->pass);
		return err_memory(e);
	}
	w->request = *r;
	w->pass = *r->pass;
	w->request.pass = &w->pass;
	w->request.queue = strdup(r->queue);
	w->request.tenant = r->tenant != NULL ? strdup(r->tenant) : NULL;
	w->request.capabilities = json_incref(r->capabilities);
	w->until = clock_steady() + r->wait;
	w->connection.fd = -1;
	if (w->request.queue == NULL || (r->tenant != NULL && w->request.tenant == NULL) ||
	    http_detach(h, &w->connection) < 0) {
		free_waiter(w); /* nobody listens any more, or memory is out */
		return 0;
	}
	(void)pthread_mutex_lock(&lock);
	TAILQ_INSERT_TAIL(&arrived, w, next);
	(void)pthread_mutex_unlock(&lock);
	if (write(wakefd, &one, sizeof one) < 0)
		return 0; /* the counter is full: it is awake already */
	return 0;
}
