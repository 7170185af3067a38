#include "queued/answers.h"

#include <string.h>

#include "http/query.h"
#include "queue/feed.h"
#include "events/event.h"

/* The members of ${task} that are never large. */
static json_t *
shorten(const json_t *task)
{
	static const char *(*const kept[])(void) = {
	    task_id_path,      task_name_path,    task_number_path,  task_state_path,
	    task_lane_path,    task_attempt_path, task_version_path, task_created_path,
	    task_updated_path, task_tenant_path};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		json_t *value = json_object_get(task, kept[i]());
		if (value != NULL)
			(void)json_object_set(o, kept[i](), value);
	}
	(void)json_object_set_new(o, "short", json_true());
	return o;
}

static int
read_since(void *arg, const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "since") == 0)
		return query_number(name, value, 0, INT64_MAX, arg, e);
	return query_unknown(name, "since", e);
}

/* Where to begin: after the version that is asked for, if the changes after it are kept. */
static int
find_start(const struct http *h, const struct feed *f, struct feed_cursor *at, struct err *e)
{
	const char *last = http_variable(h, "HTTP_LAST_EVENT_ID");
	struct feed_reader r;
	int64_t since = -1;

	if (query_each(h, read_since, &since, e) < 0)
		return -1;
	if (last != NULL && last[0] != '\0' && /* of a stream that was interrupted */
	    query_number("Last-Event-ID", last, 0, INT64_MAX, &since, e) < 0)
		return -1;
	if (feed_extent(f, &at->extent, e) < 0)
		return -1;
	if (since > at->extent.size) {
		err_set(e, ERR_EXPIRED, "version %lld was never there", (long long)since);
		return err_hint(e, "list the tasks, and go on from the version of that");
	}
	at->offset = since < 0 ? at->extent.size : (off_t)since;
	at->seq = (uint64_t)at->offset;
	feed_open(&r, f, at);
	int n = feed_next(&r, NULL, e);
	feed_close(&r);
	return n < 0 ? -1 : 0;
}

int
changes_answer(struct http *h, const struct tenant *t, struct err *e)
{
	static const struct queue_access access = {queues_borrow, queues_return};
	static const struct stream_kind kind = {.shorten = shorten};
	const struct event_source source = {&kind,
					    {&queue_feed, NULL, http_id(h), t->name, &access}};
	struct feed_cursor at;

	if (http_drain(h, 4096, e) < 0 || find_start(h, &source.feed, &at, e) < 0)
		return -1;
	return stream_follow(h, &source, &at, false, e);
}
