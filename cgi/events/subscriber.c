#include "events/subscriber.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "log/delivery.h"
#include "base/file.h"
#include "events/slots.h"
#include "http/log.h"

#define AT_ONCE 256 /* keepalives that are sent before other things are done */

/* What a stream needs to go on; GONE: it does not. */
enum need { GONE = -1, NEWS, CALL_AGAIN, WRITABLE };

static TAILQ_HEAD(keepalives, subscriber) keepalives = TAILQ_HEAD_INITIALIZER(keepalives);
static int epollfd;
static int64_t interval; /* ms */
static void (*post)(struct offload_job *j, void (*work)(struct offload_job *));

void
subscriber_init(int fd, void (*call)(struct offload_job *j, void (*work)(struct offload_job *)),
		int64_t keepalive_ms)
{
	epollfd = fd;
	post = call;
	interval = keepalive_ms;
}

static int
set_epoll(const struct subscriber *s, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (s->full ? EPOLLOUT : 0U),
				    .data.ptr = (void *)(uintptr_t)s};

	return epoll_ctl(epollfd, operation, s->connection.fd, &event);
}

/* Log the end of an assignment's stream. */
static void
log_end(const struct subscriber *s)
{
	const struct event_source *source = &s->channel->source;
	struct delivery d = {.step = "events",
			     .side = "executor",
			     .id = source->feed.subject,
			     .peer = source->feed.owner,
			     .outcome = s->failed_with,
			     .http = 200,
			     .out = s->sent,
			     .began = s->began};

	if (source->kind->last_is_end)
		delivery_end(&d);
}

/* Free the subscriber: its connection ends here, whatever was sent. */
static void
drop(struct subscriber *s)
{
	struct channel *channel = s->channel;

	log_end(s);
	file_close(s->connection.fd); /* epoll forgets it, too */
	TAILQ_REMOVE(&keepalives, s, later);
	LIST_REMOVE(s, same_channel);
	buf_free(&s->rest);
	slots_release(&s->pass);
	free(s);
	channel_release(channel);
}

/* Send ${head} and ${text} as far as the connection takes them.  Bytes of which a part was taken
 * are kept, and so are those that ${must} be.  Returns 1, 0 if nothing was taken, -1 if the peer is
 * gone. */
static int
put_bytes(struct subscriber *s, struct iovec head, struct iovec text, bool must)
{
	struct iovec v[2] = {head, text};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	ssize_t n = 0;

	if (s->rest.len == 0) {
		n = sendmsg(s->connection.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		n = n < 0 ? 0 : n;
	}
	if (n == 0 && !must)
		return 0;
	s->sent += text.iov_len;
	size_t sent = (size_t)n;
	for (int i = 0; i < 2; i++) {
		size_t done = sent < v[i].iov_len ? sent : v[i].iov_len;
		if (done < v[i].iov_len &&
		    buf_add(&s->rest, (char *)v[i].iov_base + done, v[i].iov_len - done, NULL) < 0)
			return -1;
		sent -= done;
	}
	return 1;
}

static int
put_text(struct subscriber *s, const char *p, size_t n, bool must)
{
	unsigned char head[FASTCGI_HEAD];

	fastcgi_head(&s->connection, n, head);
	return put_bytes(s, (struct iovec){head, sizeof head},
			 (struct iovec){(char *)(uintptr_t)p, n}, must);
}

/* Send what is left of what was begun. */
static enum need
send_rest(struct subscriber *s)
{
	ssize_t n = send(s->connection.fd, s->rest.data + s->rest_sent, s->rest.len - s->rest_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? WRITABLE : GONE;
	s->rest_sent += (size_t)n;
	if (s->rest_sent < s->rest.len)
		return WRITABLE;
	buf_free(&s->rest);
	s->rest_sent = 0;
	return CALL_AGAIN;
}

static enum need
put_end(struct subscriber *s)
{
	unsigned char end[FASTCGI_END];

	fastcgi_end(&s->connection, end);
	s->closing = true;
	int status = put_bytes(s, (struct iovec){end, sizeof end}, (struct iovec){end, 0}, true);
	return status < 0 ? GONE : CALL_AGAIN;
}

/* End the stream with an event that says ${why}. */
static enum need
put_error(struct subscriber *s, struct err *why)
{
	struct event v;
	int status = 0;

	s->failed_with = why->code;
	if (why->code != ERR_NOT_FOUND && why->code != ERR_EXPIRED)
		err_set(why, why->code, "the server cannot read what happened");
	if (event_error(&v, s->channel->source.feed.subject, why) == 0)
		status = put_text(s, v.text.data, v.text.len, true);
	event_free(&v);
	return status < 0 ? GONE : put_end(s);
}

struct sending {
	struct subscriber *subscriber;
	struct feed_reader reader;
};

/* Send one event, and if that is not possible say why. */
static int
send_one(struct http *h, void *arg)
{
	struct sending *d = arg;
	struct subscriber *s = d->subscriber;
	struct event v;
	struct err e;

	int n = event_next(&d->reader, s->channel->source.kind, &v, &e);
	if (n > 0) {
		s->at = d->reader.at;
		n = event_send(h, &v, &e);
		s->sent += http_sent(h);
		s->ended = v.last;
		event_free(&v);
	}
	s->gone = http_flush(h) < 0;
	if (n < 0) {
		http_log("events: %s", e.message);
		s->failed_with = e.code;
	}
	return 0;
}

static void come_back(struct offload_job *j);

/* Move to the start if the feed has begun anew. */
static void
follow_feed(struct subscriber *s)
{
	struct feed_extent now;

	if (feed_extent(&s->channel->source.feed, &now, NULL) == 0)
		(void)feed_follow(&s->at, &now);
}

/* Runs in another thread: sends an event that is too big for the loop. */
static void
send_big(struct offload_job *j)
{
	struct subscriber *s = (struct subscriber *)(void *)j;
	const struct feed *f = &s->channel->source.feed;
	struct sending d = {.subscriber = s};

	follow_feed(s);
	feed_open(&d.reader, f, &s->at);
	(void)http_detached(&s->connection, f->subject, send_one, &d);
	feed_close(&d.reader);
	post(j, come_back);
}

/* Send the next thing, if there is one. */
static enum need
step(struct subscriber *s)
{
	struct feed_cursor next = s->at;
	const struct event *v;
	struct err e;

	if (s->gone)
		return GONE;
	if (s->rest.len > 0)
		return send_rest(s);
	if (s->closing)
		return GONE;
	if (s->ended)
		return put_end(s);
	if (pass_check(&s->pass, &e) < 0) {
		s->failed_with = e.code;
		return GONE; /* an event would say what became of a task; who comes again is told */
	}
	int n = channel_next(s->channel, &next, &v, &e);
	if (n < 0) {
		http_log("events: %s", e.message);
		return put_error(s, &e);
	}
	if (n == 0)
		return s->over ? put_end(s) : NEWS;
	if (n == 2) {
		s->away = true;
		return NEWS;
	}
	if (v->text.len > 0) {
		n = put_text(s, v->text.data, v->text.len, false);
		if (n <= 0)
			return n < 0 ? GONE : WRITABLE;
	}
	s->at = next;
	s->ended = v->last;
	return CALL_AGAIN;
}

static void
pump(struct subscriber *s)
{
	enum need need = CALL_AGAIN;

	if (s->away)
		return;
	while (need == CALL_AGAIN)
		need = step(s);
	if (need == GONE) {
		drop(s);
	} else if (s->away) {
		/* A connection that nobody watches can be written to by another thread. */
		(void)epoll_ctl(epollfd, EPOLL_CTL_DEL, s->connection.fd, NULL);
		s->job.work = send_big;
		offload_submit(&s->job);
	} else if (s->full != (need == WRITABLE)) {
		s->full = need == WRITABLE;
		s->gone = set_epoll(s, EPOLL_CTL_MOD) < 0; /* the next keepalive sees that */
	}
}

/* As pump, when the extent of its channel was not just read. */
void
subscriber_send(struct subscriber *s)
{
	if (!s->away)
		follow_feed(s);
	pump(s);
	channel_rest();
}

static void
come_back(struct offload_job *j)
{
	struct subscriber *s = (struct subscriber *)(void *)j;
	struct err why;

	s->away = s->full = false;
	s->gone = s->gone || set_epoll(s, EPOLL_CTL_ADD) < 0;
	if (s->failed_with != ERR_NONE && !s->gone) {
		err_set(&why, s->failed_with, "the server cannot read what happened");
		s->gone = put_error(s, &why) == GONE;
	}
	subscriber_send(s);
}

void
subscriber_send_all(struct channel *channel)
{
	struct subscriber *s, *next;

	channel->held = true; /* until the last stream is seen to */
	for (s = LIST_FIRST(&channel->subscribers); s != NULL; s = next) {
		next = LIST_NEXT(s, same_channel);
		/* When its connection takes more, it gets all that there is then. */
		if (s->away || s->full)
			continue;
		(void)feed_follow(&s->at, &channel->extent);
		pump(s);
	}
	channel_rest();
	channel->held = false;
}

void
subscriber_fail(struct subscriber *s, const struct err *why)
{
	struct err e = *why;

	if (s->away || s->ended || s->closing || s->gone)
		return;
	http_log("events: %s", why->message);
	s->gone = put_error(s, &e) == GONE;
}

int
subscriber_add(struct subscriber *s, struct channel *channel)
{
	if (set_epoll(s, EPOLL_CTL_ADD) < 0)
		return -1;
	s->rest = (struct buf)BUF_INIT(4 * EVENT_LOOP);
	s->channel = channel;
	LIST_INSERT_HEAD(&channel->subscribers, s, same_channel);
	s->began = clock_steady();
	s->keepalive = s->began + interval;
	TAILQ_INSERT_TAIL(&keepalives, s, later);
	return 0;
}

void
subscriber_handle(struct subscriber *s, uint32_t events)
{
	/* All that a web server still has to say is that its client is gone. */
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		drop(s);
	else
		subscriber_send(s);
}

void
subscriber_keepalive(int64_t now)
{
	static const char text[] = ": keepalive\n\n";
	struct subscriber *s;

	for (int i = 0; i < AT_ONCE; i++) {
		s = TAILQ_FIRST(&keepalives);
		if (s == NULL || s->keepalive > now)
			return;
		TAILQ_REMOVE(&keepalives, s, later);
		TAILQ_INSERT_TAIL(&keepalives, s, later);
		s->keepalive = now + interval;
		if (s->away)
			continue;
		if (s->rest.len == 0 && !s->full && put_text(s, text, sizeof text - 1, false) < 0)
			s->gone = true;
		if (s->gone)
			drop(s);
		else if (s->rest.len > 0)
			subscriber_send(s);
	}
}

void
subscriber_check(void)
{
	static unsigned seen;
	struct subscriber *s, *next;
	struct err why;

	unsigned losses = holder_look();
	if (losses == seen)
		return;
	seen = losses;
	for (s = TAILQ_FIRST(&keepalives); s != NULL; s = next) {
		next = TAILQ_NEXT(s, later);
		if (pass_check(&s->pass, &why) < 0)
			subscriber_send(s);
	}
}

int64_t
subscriber_due(int64_t now)
{
	const struct subscriber *s = TAILQ_FIRST(&keepalives);

	if (s == NULL)
		return INT64_MAX;
	return s->keepalive - now < HOLDER_LOOK_MS ? s->keepalive : now + HOLDER_LOOK_MS;
}
