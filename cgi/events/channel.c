#include "events/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define BUCKETS 4096
#define KEPT 4 /* events in memory: a task ends with two at once */

static LIST_HEAD(bucket, channel) buckets[BUCKETS];
static TAILQ_HEAD(polls, channel) polls = TAILQ_HEAD_INITIALIZER(polls);
static STAILQ_HEAD(changes, channel) changes = STAILQ_HEAD_INITIALIZER(changes);
static struct watch_set *watches;

/* What is being read: one channel at a time. */
static struct {
	const struct channel *channel;
	struct feed_reader reader;
	off_t end; /* there is no whole entry here yet; -1: not known */
	struct {
		struct feed_cursor from, to; /* the offset of ${from} is -1 if there is none */
		struct event event;
	} kept[KEPT];
	unsigned next; /* in kept */
} reading;

int
channel_open(int *fd, struct err *e)
{
	watches = watch_set_open(e);
	if (watches == NULL)
		return -1;
	*fd = watch_set_fd(watches);
	return 0;
}

void
channel_close(void)
{
	watch_set_close(watches);
	watches = NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_source(const struct event_source *a, const struct event_source *b)
{
	return a->kind == b->kind && strcmp(a->feed.subject, b->feed.subject) == 0 &&
	       same_text(a->feed.owner, b->feed.owner);
}

struct channel *
channel_new(const struct event_source *source)
{
	const char *subject = source->feed.subject, *owner = source->feed.owner;
	size_t n = strlen(subject) + 1, m = owner != NULL ? strlen(owner) + 1 : 0;

	struct channel *c = calloc(1, sizeof *c + n + m);
	if (c == NULL)
		return NULL;
	c->source = *source;
	c->source.feed.subject = memcpy(c->text, subject, n);
	if (owner != NULL)
		c->source.feed.owner = memcpy(c->text + n, owner, m);
	return c;
}

struct channel *
channel_add(struct channel *new)
{
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (const char *p = new->source.feed.subject; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	struct bucket *bucket = &buckets[hash % BUCKETS];
	for (struct channel *c = LIST_FIRST(bucket); c != NULL; c = LIST_NEXT(c, same_hash))
		if (same_source(&c->source, &new->source)) {
			free(new);
			return c;
		}
	new->checked = clock_steady();
	new->poll = new->checked + WATCH_POLL_MS;
	new->watch = feed_watch(&new->source.feed, watches, new);
	TAILQ_INSERT_TAIL(&polls, new, later);
	LIST_INSERT_HEAD(bucket, new, same_hash);
	return new;
}

void
channel_release(struct channel *c)
{
	if (!LIST_EMPTY(&c->subscribers) || c->checking || c->changed || c->held)
		return;
	channel_rest();
	LIST_REMOVE(c, same_hash);
	TAILQ_REMOVE(&polls, c, later);
	watch_set_remove(watches, c->watch, c);
	free(c);
}

static void
mark_changed(struct channel *c)
{
	if (!c->changed)
		STAILQ_INSERT_TAIL(&changes, c, next_changed);
	c->changed = true;
}

/* File ${name} in the channel's directory has changed.  Many may, of which only one is the feed;
 * the record may be another that matters. */
static void
note_file(void *mark, const char *name)
{
	struct channel *c = mark;
	const struct stream_kind *k = c->source.kind;
	bool record_matters = k->check != NULL && !k->last_is_end;

	if (record_matters || strcmp(name, c->source.feed.kind->written) == 0)
		mark_changed(c);
}

void
channel_note(void)
{
	watch_set_read(watches, note_file);
}

struct channel *
channel_changed(int64_t now)
{
	struct channel *s;

	while ((s = TAILQ_FIRST(&polls)) != NULL && s->poll <= now) {
		TAILQ_REMOVE(&polls, s, later);
		TAILQ_INSERT_TAIL(&polls, s, later);
		s->poll = now + WATCH_POLL_MS;
		mark_changed(s);
	}
	s = STAILQ_FIRST(&changes);
	if (s == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&changes, next_changed);
	s->changed = false;
	return s;
}

int64_t
channel_due(void)
{
	const struct channel *s = TAILQ_FIRST(&polls);

	return s != NULL ? s->poll : INT64_MAX;
}

static void
begin_reading(const struct channel *c)
{
	channel_rest();
	reading.channel = c;
	reading.end = -1;
	reading.next = 0;
	for (int i = 0; i < KEPT; i++)
		reading.kept[i].from.offset = -1;
	feed_open(&reading.reader, &c->source.feed, &(struct feed_cursor){0});
}

void
channel_rest(void)
{
	if (reading.channel == NULL)
		return;
	for (int i = 0; i < KEPT; i++)
		if (reading.kept[i].from.offset >= 0)
			event_free(&reading.kept[i].event);
	feed_close(&reading.reader);
	reading.channel = NULL;
}

int
channel_next(struct channel *c, struct feed_cursor *at, const struct event **v, struct err *e)
{
	struct event new;
	unsigned i;

	if (reading.channel != c)
		begin_reading(c);
	if (at->offset == reading.end)
		return 0;
	for (i = 0; i < KEPT; i++)
		if (reading.kept[i].from.offset == at->offset &&
		    reading.kept[i].from.seq == at->seq)
			goto found;
	reading.reader.at = *at;
	int n = event_next(&reading.reader, c->source.kind, &new, e);
	if (n == 0)
		reading.end = at->offset;
	if (n <= 0)
		return n;
	if (!event_whole(&new, EVENT_LOOP)) {
		event_free(&new);
		return 2;
	}
	i = reading.next++ % KEPT;
	if (reading.kept[i].from.offset >= 0)
		event_free(&reading.kept[i].event);
	reading.kept[i].from = *at;
	reading.kept[i].to = reading.reader.at;
	reading.kept[i].event = new;
found:
	*v = &reading.kept[i].event;
	at->offset = reading.kept[i].to.offset;
	at->seq = reading.kept[i].to.seq;
	return 1;
}
