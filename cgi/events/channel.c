#include "events/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/watch.h"

#define BUCKETS 4096
#define KEPT 4 /* events: a task ends with two at once */

static LIST_HEAD(bucket, channel) buckets[BUCKETS];
static TAILQ_HEAD(polls, channel) polls = TAILQ_HEAD_INITIALIZER(polls);
static STAILQ_HEAD(changes, channel) changes = STAILQ_HEAD_INITIALIZER(changes);
static struct watch_set *watches;

/* What is being read: one channel at a time. */
static struct {
	const struct channel *channel;
	struct journal journal;
	off_t end; /* there is no whole line here yet; -1: not known */
	struct {
		off_t from, to; /* of its line; from is -1 if there is none */
		uint64_t after; /* the number of the event before it */
		struct event event;
	} kept[KEPT];
	unsigned next; /* in kept */
} reading;

int
channel_open(struct err *e)
{
	watches = watch_set_open(e);
	return watches != NULL ? 0 : -1;
}

void
channel_close(void)
{
	watch_set_close(watches);
	watches = NULL;
}

int
channel_watch(void)
{
	return watch_set_fd(watches);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct channel *
make(const struct event_source *from, struct err *e)
{
	char path[8192];
	struct channel *s = calloc(1, sizeof *s);
	char *id = strdup(from->id), *owner = from->owner != NULL ? strdup(from->owner) : NULL;

	if (s == NULL || id == NULL || (from->owner != NULL && owner == NULL)) {
		err_memory(e);
		goto fail;
	}
	s->from = (struct event_source){from->kind, id, owner, from->dirfd};
	event_directory(from, path, sizeof path);
	LIST_INIT(&s->subscribers);
	s->checked = clock_steady();
	s->poll = s->checked + WATCH_POLL_MS;
	s->watch = watch_set_add(watches, path, s);
	TAILQ_INSERT_TAIL(&polls, s, later);
	return s;
fail:
	free(id);
	free(owner);
	free(s);
	return NULL;
}

struct channel *
channel_find(const struct event_source *from, struct err *e)
{
	uint32_t hash = 2166136261U; /* FNV-1a */
	struct channel *s;

	for (const char *p = from->id; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	LIST_FOREACH(s, &buckets[hash % BUCKETS], same_hash)
	if (s->from.kind == from->kind && strcmp(s->from.id, from->id) == 0 &&
	    same_text(s->from.owner, from->owner))
		return s;
	s = make(from, e);
	if (s != NULL)
		LIST_INSERT_HEAD(&buckets[hash % BUCKETS], s, same_hash);
	return s;
}

void
channel_release(struct channel *s)
{
	if (!LIST_EMPTY(&s->subscribers) || s->checking || s->changed || s->held)
		return;
	channel_rest();
	LIST_REMOVE(s, same_hash);
	TAILQ_REMOVE(&polls, s, later);
	watch_set_remove(watches, s->watch, s);
	free((char *)(uintptr_t)s->from.id);
	free((char *)(uintptr_t)s->from.owner);
	free(s);
}

static void
change(struct channel *s)
{
	if (!s->changed)
		STAILQ_INSERT_TAIL(&changes, s, next_changed);
	s->changed = true;
}

/* File ${name} in the channel's directory has changed; not every file matters. */
static void
note(void *mark, const char *name)
{
	struct channel *s = mark;
	const char *written = s->from.kind->written;

	if (written == NULL || strcmp(name, written) == 0)
		change(s);
}

void
channel_note(void)
{
	watch_set_read(watches, note);
}

struct channel *
channel_changed(int64_t now)
{
	struct channel *s;

	while ((s = TAILQ_FIRST(&polls)) != NULL && s->poll <= now) {
		TAILQ_REMOVE(&polls, s, later);
		TAILQ_INSERT_TAIL(&polls, s, later);
		s->poll = now + WATCH_POLL_MS;
		change(s);
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
begin(const struct channel *s)
{
	channel_rest();
	reading.channel = s;
	reading.end = -1;
	reading.next = 0;
	for (int i = 0; i < KEPT; i++)
		reading.kept[i].from = -1;
	journal_open(&reading.journal);
}

void
channel_rest(void)
{
	if (reading.channel == NULL)
		return;
	for (int i = 0; i < KEPT; i++)
		if (reading.kept[i].from >= 0)
			event_free(&reading.kept[i].event);
	journal_close(&reading.journal);
	reading.channel = NULL;
}

int
channel_next(struct channel *s, struct event_position *p, const struct event **v, struct err *e)
{
	struct event new;
	unsigned i;

	if (reading.channel != s)
		begin(s);
	if (p->offset == reading.end)
		return 0;
	for (i = 0; i < KEPT; i++)
		if (reading.kept[i].from == p->offset && reading.kept[i].after == p->seq)
			goto found;
	reading.journal.offset = p->offset;
	reading.journal.seq = p->seq;
	int n = event_next(&s->from, &reading.journal, &new, e);
	if (n == 0)
		reading.end = p->offset;
	if (n <= 0)
		return n;
	if (!event_whole(&new, CHANNEL_EVENT)) {
		event_free(&new);
		return 2;
	}
	i = reading.next++ % KEPT;
	if (reading.kept[i].from >= 0)
		event_free(&reading.kept[i].event);
	reading.kept[i].from = p->offset;
	reading.kept[i].after = p->seq;
	reading.kept[i].to = reading.journal.offset;
	reading.kept[i].event = new;
found:
	*v = &reading.kept[i].event;
	p->offset = reading.kept[i].to;
	p->seq = (*v)->seq;
	return 1;
}
