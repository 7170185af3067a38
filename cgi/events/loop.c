#include "events/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "events/offload.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "log/metrics.h"
#include "events/subscriber.h"
#include "events/feed.h"

#define AT_ONCE 256 /* connections that are seen to before the clock is looked at again */
#define SPARE 2048  /* descriptors kept for everything else, or a quarter of all */

/* A stream on its way to the lot. */
struct arrival {
	struct crew_job job;
	struct stream *stream;
	struct event_source from;
	char *owner, id[ID_MAX + 1]; /* of ${from} */
};

/* A look whether a source is over. */
struct look {
	struct crew_job job;
	struct source *source;
	int status;
	bool over;
	struct err why;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long most = 65536, keepalive_ms = 30000; /* set before there are threads */

/* Under the lock. */
static long long open_streams, by_descriptors;
static bool running;
static struct crew_job *arrived, **last_arrived = &arrived;

/* Of the lot's thread, once it runs. */
static int epollfd = -1, wakefd = -1;

/* Have the lot's thread do ${work} to ${j}. */
static void
post(struct crew_job *j, void (*work)(struct crew_job *))
{
	const uint64_t one = 1;

	j->work = work;
	j->next = NULL;
	(void)pthread_mutex_lock(&lock);
	bool first = arrived == NULL;
	*last_arrived = j;
	last_arrived = &j->next;
	(void)pthread_mutex_unlock(&lock);
	if (first && write(wakefd, &one, sizeof one) < 0)
		return; /* it is awake already */
}

static void
take_arrivals(void)
{
	uint64_t count;

	if (read(wakefd, &count, sizeof count) < 0)
		return;
	(void)pthread_mutex_lock(&lock);
	struct crew_job *j = arrived;
	arrived = NULL;
	last_arrived = &arrived;
	(void)pthread_mutex_unlock(&lock);
	while (j != NULL) {
		struct crew_job *next = j->next;
		j->work(j);
		j = next;
	}
}

static void look(struct source *source);

/* What a look saw is for the streams that were there when it began. */
static void
looked(struct crew_job *j)
{
	struct look *l = (struct look *)(void *)j;
	struct source *source = l->source;
	struct stream *s, *next;
	bool again = source->again;

	source->looking = source->again = false;
	source->held = true;
	for (s = again ? NULL : LIST_FIRST(&source->streams); s != NULL; s = next) {
		next = LIST_NEXT(s, same_source);
		s->over |= l->over;
		if (l->status < 0)
			parked_fail(s, &l->why);
		if (l->status < 0 || l->over)
			parked_pump(s);
	}
	source->held = false;
	free(l);
	if (again)
		look(source);
	source_leave(source);
}

/* By the crew, for it may have to wait for a lock. */
static void
do_look(struct crew_job *j)
{
	struct look *l = (struct look *)(void *)j;
	const struct source *s = l->source;

	l->status = s->from.kind->look(s->from.id, s->from.owner, &l->over, &l->why);
	post(j, looked);
}

/* Have somebody look whether ${source} is over. */
static void
look(struct source *source)
{
	if (source->from.kind->look == NULL)
		return;
	source->again |= source->looking;
	if (source->looking || LIST_EMPTY(&source->streams))
		return;
	struct look *l = calloc(1, sizeof *l);
	if (l == NULL)
		return; /* there will be another */
	source->looking = true;
	source->looked = clock_steady();
	l->source = source;
	l->job.work = do_look;
	crew_hand(&l->job);
}

static void
read_source(struct source *source, int64_t now)
{
	struct event_file file;

	if (!source->from.kind->last_is_end || now - source->looked >= keepalive_ms)
		look(source);
	if (event_look(&source->from, &file) == 0 &&
	    memcmp(&file, &source->file, sizeof file) != 0) {
		source->file = file;
		parked_pump_all(source, &file);
	}
	source_leave(source);
}

/* A stream is parked. */
static void
arrive(struct crew_job *j)
{
	struct arrival *a = (struct arrival *)(void *)j;
	struct stream *s = a->stream;
	struct err e;

	struct source *source = source_find(&a->from, &e);
	if (source == NULL || parked_add(s, source) < 0) {
		http_log("cannot park a stream: %s", source == NULL ? e.message : strerror(errno));
		file_close(s->connection.fd);
		free(s);
		lot_leave();
		if (source != NULL)
			source_leave(source);
	} else {
		/* It was not over before; and whoever looks now may have begun before that. */
		if (source->looking || !a->from.kind->last_is_end)
			look(source);
		parked_pump(s);
	}
	free(a->owner);
	free(a);
}

static int
until_due(int64_t now)
{
	int64_t due = source_due(), other = parked_due();

	if (other < due)
		due = other;
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 0 : due - now > 60000 ? 60000 : (int)(due - now);
}

static void *
run(void *unused)
{
	struct epoll_event events[AT_ONCE];
	struct source *source;

	(void)unused;
	for (;;) {
		int n = epoll_wait(epollfd, events, AT_ONCE, until_due(clock_steady()));
		bool woken = false;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &wakefd)
				woken = true;
			else if (events[i].data.ptr == &epollfd)
				source_note();
			else
				parked_see(events[i].data.ptr, events[i].events);
		}
		if (woken)
			take_arrivals();
		int64_t now = clock_steady();
		while ((source = source_changed(now)) != NULL)
			read_source(source, now);
		parked_keepalive(now);
	}
	return NULL;
}

static int
add(int fd, void *mark)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};

	return epoll_ctl(epollfd, EPOLL_CTL_ADD, fd, &event);
}

/* Begin; the lock is held. */
static int
start(struct err *e)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
		long long all = (long long)files.rlim_cur;
		by_descriptors = all - (all / 4 < SPARE ? all / 4 : SPARE);
	} else {
		by_descriptors = INT64_MAX;
	}
	epollfd = epoll_create1(EPOLL_CLOEXEC);
	wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epollfd < 0 || wakefd < 0 || add(wakefd, &wakefd) < 0) {
		err_sys(e, "cannot watch event streams");
		goto fail;
	}
	if (source_open(e) < 0)
		goto fail;
	if (source_watch() >= 0)
		(void)add(source_watch(), &epollfd); /* else they are polled */
	parked_begin(epollfd, post, keepalive_ms);
	int number = crew_start(run);
	if (number == 0)
		return 0;
	err_set(e, ERR_BUSY, "cannot start a thread: %s", strerror(number));
	source_close();
fail:
	file_close(epollfd);
	file_close(wakefd);
	epollfd = wakefd = -1;
	return -1;
}

int
lot_policy(struct err *e)
{
	long long seconds;

	if (home_limit("AWCP_STREAMS", most, &most, e) < 0 ||
	    home_limit("AWCP_KEEPALIVE", keepalive_ms / 1000, &seconds, e) < 0)
		return -1;
	if (seconds < 1 || seconds > 3600)
		return err_set(e, ERR_CONFIG, "AWCP_KEEPALIVE must be from 1 to 3600 seconds");
	keepalive_ms = seconds * 1000;
	return 0;
}

int64_t
lot_keepalive(void)
{
	return keepalive_ms;
}

int
lot_enter(struct err *e)
{
	static int64_t told;
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (!running)
		status = start(e);
	running |= status == 0;
	if (status == 0 && (open_streams >= most || open_streams >= by_descriptors)) {
		bool fds = open_streams >= by_descriptors;
		status = err_set(e, ERR_BUSY, "too many event streams are open");
		err_hint(e, "try again later, or raise %s",
			 fds ? "the limit on open files" : "AWCP_STREAMS");
		if (told == 0 || clock_steady() - told >= 60000) {
			http_log("%lld event streams are open; raise %s for more", open_streams,
				 fds ? "the limit on open files (ulimit -n)" : "AWCP_STREAMS");
			told = clock_steady();
		}
	}
	if (status == 0)
		open_streams++;
	(void)pthread_mutex_unlock(&lock);
	if (status == 0)
		metrics_level(METRIC_STREAMS, 1);
	return status;
}

void
lot_leave(void)
{
	(void)pthread_mutex_lock(&lock);
	open_streams--;
	(void)pthread_mutex_unlock(&lock);
	metrics_level(METRIC_STREAMS, -1);
}

int
lot_park(const struct fastcgi *c, const struct event_source *from, const struct event_position *p,
	 struct err *e)
{
	struct arrival *a = calloc(1, sizeof *a);
	struct stream *s = calloc(1, sizeof *s);

	if (a == NULL || s == NULL ||
	    (from->owner != NULL && (a->owner = strdup(from->owner)) == NULL)) {
		free(a);
		free(s);
		file_close(c->fd);
		lot_leave();
		return err_memory(e);
	}
	s->connection = *c;
	s->position = *p;
	a->stream = s;
	a->from = *from;
	(void)snprintf(a->id, sizeof a->id, "%s", from->id);
	a->from.id = a->id;
	a->from.owner = a->owner;
	post(&a->job, arrive);
	return 0;
}
