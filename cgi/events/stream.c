#include "events/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "events/event.h"
#include "config/home.h"
#include "base/id.h"
#include "state/journal.h"
#include "events/loop.h"
#include "events/slots.h"
#include "base/watch.h"
#include "http/log.h"

struct follower {
	struct http *h;
	struct event_source from;
	struct event_position position;
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
		(void)event_send(h, &v, &e);
	event_free(&v);
}

/* Send what is new. */
static int
send_news(struct follower *f, struct err *e)
{
	struct event_file now;
	struct journal j;
	struct event v;
	int n = 0;

	if (event_look(&f->from, &now) == 0)
		event_follow(&f->position, &now);
	journal_open(&j);
	j.offset = f->position.offset;
	j.seq = f->position.seq;
	while (!f->ended && (n = event_next(&f->from, &j, &v, e)) > 0) {
		if (event_wanted(&v, &f->position))
			n = event_send(f->h, &v, e);
		f->ended = v.last;
		f->position.offset = j.offset;
		f->position.seq = j.seq;
		event_free(&v);
		if (n < 0)
			break;
	}
	journal_close(&j);
	if (http_flush(f->h) < 0)
		f->ended = true;
	return n < 0 ? -1 : 0;
}

/* As plain CGI: send what there is, and what comes, up to the end. */
static int
follow(struct follower *f, struct err *e)
{
	static const char text[] = ": keepalive\n\n";
	char path[8192];
	bool ends = f->from.kind->look != NULL, looked = !ends, over = false;
	int64_t next = clock_steady() + loop_keepalive();
	int status = -1;

	event_directory(&f->from, path, sizeof path);
	struct watch *w = watch_open(path, e);
	while (w != NULL && (status = send_news(f, e)) == 0 && !f->ended && !over) {
		if (!looked) {
			/* It reads the record: as rarely as the kind allows. */
			status = f->from.kind->look(f->from.id, f->from.owner, &over, e);
			if (status < 0)
				break;
			looked = true;
			continue; /* what was told before the look is here now */
		}
		int64_t left = next - clock_steady();
		if (!f->from.kind->last_is_end && left > WATCH_POLL_MS)
			left = WATCH_POLL_MS;
		if (watch_wait(w, http_peer(f->h), left > 0 ? (int)left : 0) == 2)
			break;
		looked = f->from.kind->last_is_end || !ends;
		if (clock_steady() >= next) {
			(void)http_write(f->h, text, sizeof text - 1);
			next = clock_steady() + loop_keepalive();
			looked = !ends;
		}
	}
	watch_close(w);
	return status;
}

/* How many events a journal has. */
static int
count_events(const struct event_source *from, uint64_t *count, struct err *e)
{
	char name[ID_MAX + 16];
	struct journal j;
	int n;

	(void)snprintf(name, sizeof name, "%s/" EVENT_JOURNAL, from->id);
	journal_open(&j);
	while ((n = journal_next(&j, from->dirfd, name, e)) > 0)
		continue;
	*count = j.seq;
	journal_close(&j);
	return n;
}

/* Where the peer left off: Last-Event-ID. */
static int
find_start(struct follower *f, bool over, struct err *e)
{
	const char *last = http_variable(f->h, "HTTP_LAST_EVENT_ID");
	uint64_t count, skip = 0;

	(void)event_look(&f->from, &f->position.file);
	if (count_events(&f->from, &count, e) < 0)
		return -1;
	if (last != NULL && last[0] >= '0' && last[0] <= '9')
		skip = strtoumax(last, NULL, 10);
	else if (over && f->from.kind->last_is_end && count > 0)
		skip = count - 1;
	/* A number that was never given is one of an earlier run. */
	f->position.skip = skip > count ? 0 : skip;
	return 0;
}

/* Send what happened, and wait for the rest here. */
static void
stay(struct follower *f, bool over)
{
	struct err e;

	begin_stream(f->h);
	if ((over ? send_news(f, &e) : follow(f, &e)) == 0)
		return;
	http_log("events: %s", e.message);
	if (e.code != ERR_NOT_FOUND && e.code != ERR_EXPIRED)
		err_set(&e, e.code, "the server cannot read what happened");
	send_error(f->h, &e);
}

/* Send what happened and have the loop send the rest. */
static int
hand_over(struct follower *f, struct err *e)
{
	struct fastcgi connection;

	if (loop_start(e) < 0 || slots_take(e) < 0)
		return -1;
	begin_stream(f->h);
	if (http_detach(f->h, &connection) < 0)
		slots_release();
	else if (loop_add(&connection, &f->from, &f->position, e) < 0)
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
stream_events(struct http *h, const struct stream_kind *k, const char *owner, struct err *e)
{
	struct follower f = {.h = h, .from = {k, http_id(h), owner, -1}};
	bool over;

	if (http_drain(h, 4096, e) < 0 || k->look(http_id(h), owner, &over, e) < 0)
		return -1;
	f.from.dirfd = home_dir(k->collection, e);
	if (f.from.dirfd < 0 || find_start(&f, over, e) < 0)
		return -1;
	return stream_follow(h, &f.from, &f.position, over, e);
}

int
stream_follow(struct http *h, const struct event_source *from, const struct event_position *p,
	      bool over, struct err *e)
{
	struct follower f = {.h = h, .from = *from, .position = *p};

	if (!over && http_serves())
		return hand_over(&f, e);
	stay(&f, over);
	return 0;
}
