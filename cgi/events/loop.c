#include "events/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/settings.h"
#include "events/slots.h"
#include "events/subscriber.h"
#include "http/log.h"
#include "http/pool.h"

#define AT_ONCE 256 /* connections that are handled before timers are */

/* A check whether what a channel is about has ended. */
struct check {
	struct offload_job job;
	struct channel *channel;
	int status;
	bool over;
	struct err why;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long keepalive_ms; /* set before there are threads */

/* Under the lock. */
static struct offload_job *arrived, **last_arrived = &arrived;

/* Used by the loop's thread alone, once it runs. */
static int epollfd = -1, wakefd = -1;

/* Have the loop's thread do ${work} on ${j}. */
static void
post(struct offload_job *j, void (*work)(struct offload_job *))
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
	struct offload_job *j = arrived;
	arrived = NULL;
	last_arrived = &arrived;
	(void)pthread_mutex_unlock(&lock);
	while (j != NULL) {
		struct offload_job *next = j->next;
		j->work(j);
		j = next;
	}
}

static void check_end(struct channel *channel);

/* What a check found is about the subscribers that were there when it began. */
static void
end_checked(struct offload_job *j)
{
	struct check *c = (struct check *)(void *)j;
	struct channel *channel = c->channel;
	struct subscriber *s, *next;
	bool again = channel->check_again;

	channel->checking = channel->check_again = false;
	channel->held = true;
	for (s = again ? NULL : LIST_FIRST(&channel->subscribers); s != NULL; s = next) {
		next = LIST_NEXT(s, same_channel);
		s->over |= c->over;
		if (c->status < 0)
			subscriber_fail(s, &c->why);
		if (c->status < 0 || c->over)
			subscriber_send(s);
	}
	channel->held = false;
	free(c);
	if (again)
		check_end(channel);
	channel_release(channel);
}

/* In a thread of its own, for it may have to wait for a lock. */
static void
do_check(struct offload_job *j)
{
	struct check *c = (struct check *)(void *)j;
	const struct event_source *source = &c->channel->source;
	const struct feed *f = &source->feed;

	c->status = source->kind->check(f->subject, f->owner, &c->over, &c->why);
	post(j, end_checked);
}

/* Have a thread check whether what ${channel} is about has ended. */
static void
check_end(struct channel *channel)
{
	if (channel->source.kind->check == NULL)
		return;
	channel->check_again |= channel->checking;
	if (channel->checking || LIST_EMPTY(&channel->subscribers))
		return;
	struct check *c = calloc(1, sizeof *c);
	if (c == NULL)
		return; /* the next keepalive tries again */
	channel->checking = true;
	channel->checked = clock_steady();
	c->channel = channel;
	c->job.work = do_check;
	offload_submit(&c->job);
}

static void
read_channel(struct channel *channel, int64_t now)
{
	struct feed_extent extent;

	if (!channel->source.kind->last_is_end || now - channel->checked >= keepalive_ms)
		check_end(channel);
	if (feed_extent(&channel->source.feed, &extent, NULL) == 0 &&
	    memcmp(&extent, &channel->extent, sizeof extent) != 0) {
		channel->extent = extent;
		subscriber_send_all(channel);
	}
	channel_release(channel);
}

/* Add a subscriber with a new channel. */
static void
arrive(struct offload_job *j)
{
	struct subscriber *s = (struct subscriber *)(void *)j;
	struct channel *channel = channel_add(s->channel);

	if (subscriber_add(s, channel) < 0) {
		http_log("cannot add an event stream: %s", strerror(errno));
		file_close(s->connection.fd);
		slots_release(&s->pass);
		free(s);
		channel_release(channel);
		return;
	}
	/* It had not ended before; a check that runs now may have begun before that. */
	if (channel->checking || !channel->source.kind->last_is_end)
		check_end(channel);
	subscriber_send(s);
}

static int
until_due(int64_t now)
{
	int64_t due = channel_due(), other = subscriber_due(now);

	if (other < due)
		due = other;
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 0 : due - now > 60000 ? 60000 : (int)(due - now);
}

static void *
run_loop(void *unused)
{
	struct epoll_event events[AT_ONCE];
	struct channel *channel;

	(void)unused;
	for (;;) {
		int n = epoll_wait(epollfd, events, AT_ONCE, until_due(clock_steady()));
		bool woken = false;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &wakefd)
				woken = true;
			else if (events[i].data.ptr == &epollfd)
				channel_note();
			else
				subscriber_handle(events[i].data.ptr, events[i].events);
		}
		if (woken)
			take_arrivals();
		int64_t now = clock_steady();
		while ((channel = channel_changed(now)) != NULL)
			read_channel(channel, now);
		subscriber_keepalive(now);
		subscriber_check();
	}
	return NULL;
}

static int
watch_descriptor(int fd, void *mark)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};

	return epoll_ctl(epollfd, EPOLL_CTL_ADD, fd, &event);
}

/* Begin; the lock is held. */
static int
start_loop(struct err *e)
{
	int fd;

	epollfd = epoll_create1(EPOLL_CLOEXEC);
	wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epollfd < 0 || wakefd < 0 || watch_descriptor(wakefd, &wakefd) < 0) {
		err_sys(e, "cannot watch event streams");
		goto fail;
	}
	if (channel_open(&fd, e) < 0)
		goto fail;
	if (fd >= 0) /* if that fails they are polled */
		(void)watch_descriptor(fd, &epollfd);
	subscriber_init(epollfd, post, keepalive_ms);
	if (pool_thread(run_loop, e) == 0)
		return 0;
	channel_close();
fail:
	file_close(epollfd);
	file_close(wakefd);
	epollfd = wakefd = -1;
	return -1;
}

int
loop_policy(struct err *e)
{
	long long seconds;

	if (slots_policy(e) < 0 || setting_number(SETTING_KEEPALIVE, &seconds, e) < 0)
		return -1;
	if (seconds < 1 || seconds > 3600)
		return err_set(e, ERR_CONFIG, "AWCP_KEEPALIVE must be from 1 to 3600 seconds");
	keepalive_ms = seconds * 1000;
	return 0;
}

int64_t
loop_keepalive(void)
{
	return keepalive_ms;
}

int
loop_start(struct err *e)
{
	static bool running;
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (!running)
		status = start_loop(e);
	running |= status == 0;
	(void)pthread_mutex_unlock(&lock);
	return status;
}

int
loop_add(const struct fastcgi *c, const struct pass *pass, const struct event_source *source,
	 const struct feed_cursor *at, struct err *e)
{
	struct subscriber *s = calloc(1, sizeof *s);
	struct channel *channel = channel_new(source);

	if (s == NULL || channel == NULL) {
		free(channel);
		free(s);
		file_close(c->fd);
		slots_release(pass);
		return err_memory(e);
	}
	s->connection = *c;
	s->pass = *pass;
	s->at = *at;
	s->channel = channel;
	post(&s->job, arrive);
	return 0;
}
