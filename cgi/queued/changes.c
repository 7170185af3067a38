#include "queued/changes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/home.h"
#include "base/jsonx.h"
#include "http/query.h"
#include "queued/queues.h"
#include "events/channel.h"
#include "events/stream.h"

#define HEAD 64     /* bytes of an event beside its task */
#define AT_ONCE 256 /* changes of others that are passed over before somebody else has a turn */

/* The journal is at its newest version. */
static int
look(const struct event_source *s, struct event_file *f)
{
	uint64_t version = 0;
	struct err e;

	struct queue *q = queues_borrow(s->id, false, &e);
	int status = q == NULL ? -1 : queue_version(q, &version, &e);
	queues_return(q);
	*f = (struct event_file){.inode = 1, .size = (off_t)version};
	return status;
}

struct search {
	const char *tenant;
	struct event *event;
	uint64_t last;
	int left; /* changes to look at */
	struct err *e;
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
put_event(struct event *v, const json_t *task, struct err *e)
{
	if (buf_printf(&v->text, e, "id: %" PRIu64 "\ndata: ", v->seq) < 0 ||
	    jsonx_dump(task, &v->text, e) < 0)
		return -1;
	return buf_add(&v->text, "\n\n", 2, e);
}

static int
take_change(void *arg, const json_t *task)
{
	struct search *x = arg;
	struct event *v = x->event;

	x->last = (uint64_t)jsonx_number(task, "version", 0);
	if (x->tenant != NULL && strcmp(jsonx_text(task, "tenant", ""), x->tenant) != 0)
		return --x->left == 0;
	v->seq = x->last;
	json_t *o = json_copy((json_t *)(uintptr_t)task);
	(void)json_object_del(o, "payload");
	int status = put_event(v, o, x->e);
	json_decref(o);
	if (status < 0 && x->e->code == ERR_TOO_LARGE) {
		buf_clear(&v->text);
		o = shorten(task);
		status = put_event(v, o, x->e);
		json_decref(o);
	}
	return status < 0 ? -1 : 1;
}

/* The change after version ${j}->seq, or an event without text for others'. */
static int
next(const struct event_source *s, struct journal *j, struct event *v, struct err *e)
{
	*v = (struct event){.archive = -1, .text = BUF_INIT(CHANNEL_EVENT)};
	struct search x = {.tenant = s->owner, .event = v, .last = j->seq, .left = AT_ONCE, .e = e};

	struct queue *q = queues_borrow(s->id, false, e);
	int status = q == NULL ? -1 : queue_changes(q, j->seq, take_change, &x, e);
	queues_return(q);
	if (status < 0) {
		event_free(v);
		return -1;
	}
	if (x.last == j->seq)
		return 0;
	v->seq = j->seq = x.last;
	j->offset = (off_t)x.last;
	return 1;
}

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
	static const struct stream_kind kind = {
	    .collection = "queue", .written = "head", .file = look, .next = next};
	const struct event_source from = {&kind, http_id(h), tenant, -1};
	int64_t since;

	if (http_drain(h, 4096, e) < 0 || find_start(h, &since, e) < 0)
		return -1;
	struct event_position p = {.offset = (off_t)since, .seq = (uint64_t)since};
	if (look(&from, &p.file) < 0)
		return err_set(e, ERR_NOT_FOUND, "there is no queue %s", http_id(h));
	return stream_follow(h, &from, &p, false, e);
}
