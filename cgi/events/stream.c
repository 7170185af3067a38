#include "events/stream.h"

#include <inttypes.h>

#include "base/clock.h"
#include "events/loop.h"
#include "events/slots.h"
#include "http/caller.h"
#include "http/log.h"

struct follower {
	struct http *h;
	const struct stream_kind *kind;
	struct feed_reader reader;
	bool ended; /* the last event was sent, or the peer is gone */
};

static void
begin_stream(struct http *h)
{
	static const char text[] = ": events\n\n";

	http_begin(h, 200, "text/event-stream",
		   "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
	(void)http_write(h, text, sizeof text - 1);
	(void)http_flush(h);
}

/* End the stream with an event of our own. */
static void
send_error(struct http *h, const struct err *why)
{
	struct event v;
	struct err e;

	if (event_error(&v, http_id(h), why) == 0)
		(void)event_send(h, &v, &e); /* it has no archive that could not be read */
	event_free(&v);
}

/* Send what is new. */
static int
send_news(struct follower *f, struct err *e)
{
	struct event v;
	int n = 0;

	while (!f->ended && (n = event_next(&f->reader, f->kind, &v, e)) > 0) {
		n = event_send(f->h, &v, e);
		f->ended = v.last;
		event_free(&v);
		if (n < 0)
			break;
	}
	if (http_flush(f->h) < 0)
		f->ended = true;
	return n < 0 ? -1 : 0;
}

/* As plain CGI: send what there is, and what comes, up to the end. */
static int
send_all(struct follower *f, struct err *e)
{
	static const char text[] = ": keepalive\n\n";
	const struct stream_kind *k = f->kind;
	bool ends = k->check != NULL, checked = !ends, over = false;
	int64_t next = clock_steady() + loop_keepalive();

	for (;;) {
		if (pass_check(caller_pass(f->h), e) < 0 || send_news(f, e) < 0)
			return -1;
		if (f->ended || over)
			return 0;
		if (!checked) {
			/* This reads the record: as rarely as the kind allows. */
			if (k->check(f->reader.feed.subject, f->reader.feed.owner, &over, e) < 0)
				return -1;
			checked = true;
			continue; /* what was appended before the check is there now */
		}
		int64_t left = next - clock_steady();
		if (left > HOLDER_LOOK_MS)
			left = HOLDER_LOOK_MS;
		int n = feed_wait(&f->reader, http_peer(f->h), left > 0 ? (int)left : 0, e);
		if (n < 0)
			return -1;
		if (n == 2)
			return 0;
		checked = k->last_is_end || !ends;
		if (clock_steady() >= next) {
			(void)http_write(f->h, text, sizeof text - 1);
			next = clock_steady() + loop_keepalive();
			checked = !ends;
		}
	}
}

/* Place ${r} where the peer left off: after Last-Event-ID. */
static int
find_start(struct feed_reader *r, const char *last_id, bool only_end, struct err *e)
{
	struct feed_cursor start = r->at, before_last = r->at;
	bool known = last_id != NULL && last_id[0] >= '0' && last_id[0] <= '9';
	uint64_t seen = known ? strtoumax(last_id, NULL, 10) : 0;

	for (;;) {
		struct feed_cursor at = r->at;
		int n = feed_next(r, NULL, e);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		before_last = at;
		/* A number that was never given is one of an earlier run: the start. */
		if (r->at.seq == seen)
			start = r->at;
	}
	/* The end is sent in any case. */
	if (only_end && (!known || seen == r->at.seq))
		start = before_last;
	r->at = start;
	return 0;
}

/* Send what happened, and wait for the rest here. */
static void
stay(struct follower *f, bool over)
{
	struct err e;

	begin_stream(f->h);
	if ((over ? send_news(f, &e) : send_all(f, &e)) == 0)
		return;
	http_log("events: %s", e.message);
	if (e.code == ERR_AUTH_FAILED || e.code == ERR_DECLINED)
		return; /* whoever comes again is told why */
	if (e.code != ERR_NOT_FOUND && e.code != ERR_EXPIRED)
		err_set(&e, e.code, "the server cannot read what happened");
	send_error(f->h, &e);
}

/* Have the loop send what happened, and the rest. */
static int
hand_over(struct http *h, const struct event_source *from, const struct feed_cursor *at,
	  struct err *e)
{
	const struct pass *pass = caller_pass(h);
	struct fastcgi connection;

	if (loop_start(e) < 0 || slots_take(pass, e) < 0)
		return -1;
	begin_stream(h);
	if (http_detach(h, &connection) < 0)
		slots_release(pass);
	else if (loop_add(&connection, pass, from, at, e) < 0)
		http_log("events: %s", e->message);
	return 0;
}

void
stream_error(struct http *h, const struct err *why)
{
	begin_stream(h);
	send_error(h, why);
}

int
stream_journal(struct http *h, const struct stream_kind *k, const char *collection,
	       const char *owner, struct err *e)
{
	const struct event_source from = {k, {&feed_journal, collection, http_id(h), owner, NULL}};
	struct feed_reader r;
	bool over;

	if (http_drain(h, 4096, e) < 0 || k->check(http_id(h), owner, &over, e) < 0)
		return -1;
	feed_open(&r, &from.feed, NULL);
	int status =
	    find_start(&r, http_variable(h, "HTTP_LAST_EVENT_ID"), over && k->last_is_end, e);
	feed_close(&r);
	return status < 0 ? -1 : stream_follow(h, &from, &r.at, over, e);
}

int
stream_follow(struct http *h, const struct event_source *from, const struct feed_cursor *at,
	      bool over, struct err *e)
{
	struct follower f = {.h = h, .kind = from->kind};

	if (!over && http_serves())
		return hand_over(h, from, at, e);
	feed_open(&f.reader, &from->feed, at);
	stay(&f, over);
	feed_close(&f.reader);
	return 0;
}
