/*
 * The event stream.
 *
 * stream bytes -> sse_reader -> jsplit -> (archive) base64 -> snapshots/<x>.part/
 *                                      -> (the rest) one JSON object, an event
 */
#include <string.h>

#include "base/clock.h"
#include "lend/private.h"
#include "log/redact.h"
#include "feed/feed.h"
#include "wire/message.h"

static int
record_started(struct record *r, void *arg, struct err *e)
{
	const bool *running = arg;
	int changed = 0;

	if (delegation_is(r->json, "accepted")) {
		if (fsm_step(&fsm_delegation, r, FSM_SEND_START, e) < 0)
			return -1;
		r->hook = "started";
		changed = 1;
	}
	if (*running && delegation_is(r->json, "started")) {
		if (fsm_step(&fsm_delegation, r, FSM_SETUP_COMPLETE, e) < 0)
			return -1;
		changed = 1;
	}
	return changed;
}

int
lend_started(struct lend *l, bool running, struct err *e)
{
	if (delegation_is(l->record, "running"))
		return 0;
	return lend_change(l, record_started, &running, false, e);
}

bool
lend_has_ended(struct lend *l)
{
	struct err unknown;

	return lend_read(l, &unknown) == 0 && delegation_ended(l->record);
}

struct arrived_event {
	json_t *event;
	const char *id; /* of the stream; "" if it has none */
};

/* Journal the event as it came, but for the archive, and remember its id. */
static int
record_event(struct record *r, void *arg, struct err *e)
{
	const struct arrived_event *a = arg;

	if (delegation_ended(r->json))
		return 0; /* nothing follows an end that was made here */
	/* What only tells how it goes is left out where there is no room for it. */
	if (feed_append(r->dirfd, a->event, false, false, e) < 0 &&
	    (strcmp(event_type(a->event), "status") != 0 ||
	     (e->code != ERR_NO_SPACE && e->code != ERR_TOO_LARGE)))
		return -1;
	int news = delegation_question(r, a->event, e);
	if (news < 0)
		return -1;
	if (news == 2)
		r->hook = "question";
	if (a->id[0] == '\0')
		return news > 0;
	return delegation_set_last_event_id(r->json, a->id) < 0 ? err_memory(e) : 1;
}

static int
note_event(struct lend *l, json_t *event, struct err *e)
{
	struct arrived_event a = {event, l->sse.id};
	int status = 0;

	event_drop_snapshot_archive(event);
	event_drop_snapshot_file(event);
	/* The last one is in the journal when it has come true (delegation_finish_journal): until
	 * then the executor must send it again. */
	if (l->last == NULL)
		status = lend_change(l, record_event, &a, false, e);
	if (l->observer.event != NULL)
		l->observer.event(l->observer.arg, event);
	return status;
}

static int
handle_event(struct lend *l, json_t *event, bool archive, struct err *e)
{
	const char *type = event_type(event), *whose = event_delegation_id(event);

	if (whose[0] != '\0' && strcmp(whose, l->id) != 0)
		return err_set(e, ERR_BAD_MESSAGE, "an event for another delegation");
	if (lend_has_ended(l))
		return err_set(e, ERR_NONE, "it has ended here"); /* stops the stream */
	l->progressed = true;
	/* The stream must be closed before the executor can be asked for more. */
	if (strcmp(type, "done") == 0 || strcmp(type, "error") == 0)
		l->last = json_incref(event);
	if (strcmp(type, "snapshot") == 0 || strcmp(type, "status") == 0)
		if (lend_started(l, true, e) < 0)
			return -1;
	if (strcmp(type, "snapshot") == 0 && archive)
		if (lend_snapshot_store(l, event_snapshot_id(event), event, e) < 0)
			return -1;
	return note_event(l, event, e);
}

/* A piece of a data line, or its end. */
static int
take_data(void *arg, const char *p, size_t n, int last, struct err *e)
{
	struct lend *l = arg;
	bool archive;

	if (l->last != NULL)
		return err_set(e, ERR_NONE, "the last event was read"); /* stops the stream */
	if (!last)
		return jsplit_feed(l->split, p, n, e);
	json_t *event = jsplit_finish(l->split, &archive, e);
	jsplit_reset(l->split);
	if (event == NULL) {
		lend_archive_abort(l);
		return err_add(e, "an event");
	}
	redact_json(event);
	int status = handle_event(l, event, archive, e);
	lend_archive_abort(l);
	json_decref(event);
	return status;
}

static int
take_stream(void *arg, const char *p, size_t n, struct err *e)
{
	struct lend *l = arg;

	l->stream_bytes += n;
	return sse_read(&l->sse, p, n, e);
}

int
lend_stream_open(struct lend *l, const char *last_id, struct err *e)
{
	char url[4096];

	lend_archive_abort(l);
	jsplit_free(l->split);
	l->split = jsplit_new(lend_archive_member, MESSAGE_MAX, lend_archive_write, l, e);
	if (l->split == NULL)
		return -1;
	l->sse = (struct sse_reader){.data = take_data, .arg = l};
	l->progressed = false;
	l->streaming = false;
	l->stream_began = clock_steady();
	l->stream_bytes = 0;
	if (client_stream(l->client, lend_task_url(l, "events", url), last_id, take_stream, l, e) <
	    0)
		return -1;
	l->streaming = true;
	return 0;
}

void
lend_stream_close(struct lend *l)
{
	client_stream_close(l->client);
	l->streaming = false;
}
