#include "queued/changes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/home.h"
#include "base/jsonx.h"
#include "http/query.h"
#include "queued/queues.h"
#include "events/event.h"
#include "events/stream.h"

#define AT_ONCE 256 /* changes of others that are passed over before somebody else has a turn */

/* How far the changes go: to the newest version. */
static int
newest(const struct feed *f, struct feed_extent *now)
{
	uint64_t version = 0;
	struct err e;

	struct queue *q = queues_borrow(f->subject, false, &e);
	int status = q == NULL ? -1 : queue_version(q, &version, &e);
	queues_return(q);
	*now = (struct feed_extent){.inode = 1, .size = (off_t)version};
	return status;
}

struct search {
	const char *tenant;
	json_t **entry;
	uint64_t last;
	int left; /* changes to look at */
};

/* ${task} without what may be large. */
static json_t *
shorten(const json_t *task)
{
	static const char *const kept[] = {"id",        "name",    "number",  "state",
					   "lane",      "attempt", "version", "createdAt",
					   "updatedAt", "tenant"};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		json_t *value = json_object_get(task, kept[i]);
		if (value != NULL)
			(void)json_object_set(o, kept[i], value);
	}
	(void)json_object_set_new(o, "short", json_true());
	return o;
}

static int
take_change(void *arg, const json_t *task)
{
	struct search *x = arg;

	x->last = (uint64_t)jsonx_number(task, "version", 0);
	if (x->tenant != NULL && strcmp(jsonx_text(task, "tenant", ""), x->tenant) != 0)
		return --x->left == 0;
	*x->entry = json_copy((json_t *)(uintptr_t)task);
	(void)json_object_del(*x->entry, "payload");
	return 1;
}

/* The change after version ${r}->at, or nothing where there were many of others. */
static int
next(struct feed_reader *r, json_t **entry, struct err *e)
{
	struct search x = {
	    .tenant = r->feed.owner, .entry = entry, .last = r->at.seq, .left = AT_ONCE};

	struct queue *q = queues_borrow(r->feed.subject, false, e);
	int status = q == NULL ? -1 : queue_changes(q, r->at.seq, take_change, &x, e);
	queues_return(q);
	if (status < 0)
		return -1;
	if (x.last == r->at.seq)
		return 0;
	r->at.seq = x.last;
	r->at.offset = (off_t)x.last;
	return 1;
}

static void
directory(const struct feed *f, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/queue/%s", home_path(), f->subject);
}

static const struct feed_kind changes = {newest, next, directory, "head"};

static int
read_since(void *arg, const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "since") == 0)
		return query_number(name, value, 0, INT64_MAX, arg, e);
	return query_unknown(name, "since", e);
}

static int
enough(void *arg, const json_t *task)
{
	(void)arg;
	(void)task;
	return 1;
}

/* The changes after ${since} are kept. */
static int
kept(const struct http *h, uint64_t since, struct err *e)
{
	struct queue *q = queues_borrow(http_id(h), false, e);
	int status = q == NULL ? -1 : queue_changes(q, since, enough, NULL, e);

	queues_return(q);
	return status < 0 ? -1 : 0;
}

/* Where to begin. */
static int
find_start(const struct http *h, int64_t *since, struct err *e)
{
	const char *last = http_variable(h, "HTTP_LAST_EVENT_ID");
	uint64_t version = 0;

	*since = -1;
	if (query_each(h, read_since, since, e) < 0)
		return -1;
	if (last != NULL && last[0] != '\0' && /* of a stream that was interrupted */
	    query_number("Last-Event-ID", last, 0, INT64_MAX, since, e) < 0)
		return -1;
	struct queue *q = queues_borrow(http_id(h), false, e);
	int status = q == NULL ? -1 : queue_version(q, &version, e);
	queues_return(q);
	if (status < 0)
		return -1;
	if (*since < 0)
		*since = (int64_t)version;
	if ((uint64_t)*since <= version)
		return kept(h, (uint64_t)*since, e);
	err_set(e, ERR_EXPIRED, "version %lld was never there", (long long)*since);
	return err_hint(e, "list the tasks, and go on from the version of that");
}

int
changes_stream(struct http *h, const char *tenant, struct err *e)
{
	static const struct stream_kind kind = {.shorten = shorten};
	const struct event_source source = {
	    &kind, {.kind = &changes, .subject = http_id(h), .owner = tenant}};
	int64_t since;

	if (http_drain(h, 4096, e) < 0 || find_start(h, &since, e) < 0)
		return -1;
	struct feed_cursor at = {.offset = (off_t)since, .seq = (uint64_t)since};
	if (newest(&source.feed, &at.extent) < 0)
		return err_set(e, ERR_NOT_FOUND, "there is no queue %s", http_id(h));
	return stream_follow(h, &source, &at, false, e);
}
