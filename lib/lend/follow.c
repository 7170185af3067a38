/*
 * The events of a delegation, read to the end.
 *
 * stream bytes -> sse_reader -> jsplit -> (archive) base64 -> snapshots/<x>.part/
 *                                      -> (the rest) one JSON object, an event
 *
 * When the stream is lost it is opened again with Last-Event-ID; a peer that knows no such thing
 * replays only its last event, so what is missing is asked for at /result.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "feed/feed.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "wire/message.h"
#include "wire/members.h"
#include "log/redact.h"
#include "delegation/members.h"

#define RECONNECTS 5 /* in a row without an event, before the caller is told to come back */

int
follow_started(struct lend *l, bool running, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	const char *state = status == 0 ? delegation_state(r.json) : "";
	bool change = false, started = false;

	if (status == 0 && strcmp(state, "accepted") == 0) {
		status = delegation_step(&r, FSM_SEND_START, e);
		change = started = true;
	}
	if (status == 0 && running && strcmp(delegation_state(r.json), "started") == 0) {
		status = delegation_step(&r, FSM_SETUP_COMPLETE, e);
		change = true;
	}
	if (status == 0 && change)
		status = delegation_save(&r, false, e);
	delegation_close(&r, status == 0 && started ? "started" : NULL);
	return status;
}

/* The delegation is done: everything is here, and the record says so; then the executor may forget
 * it. */
static int
complete(struct lend *l, const json_t *done, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct record r;
	struct err ignored;
	int http;

	if (follow_fetch(l, done, e) < 0 || follow_started(l, true, e) < 0)
		return -1;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	bool news = status == 0 && !delegation_ended(r.json);
	if (news) {
		json_t *result = json_object();
		const json_t *highlights = event_highlights(done);
		(void)jsonx_set(result, "summary", event_summary(done));
		if (json_is_array(highlights))
			(void)json_object_set(result, "highlights",
					      (json_t *)(uintptr_t)highlights);
		status = delegation_step(&r, FSM_RECEIVE_DONE, e);
		if (status == 0 && json_object_set_new(r.json, "result", result) < 0)
			status = err_memory(e);
		const char *best = event_recommended_id(done);
		if (status == 0 && best != NULL)
			status = snapshot_recommend(&r, best, e);
		if (status == 0)
			status = delegation_save(&r, true, e);
		if (status == 0)
			status = delegation_settle(&r, e);
	}
	delegation_close(&r, status == 0 && news ? "completed" : NULL);
	/* An executor that does not hear the ack keeps the result until its retention ends. */
	if (status == 0 &&
	    lend_call(l, "ack", lend_task_url(l, "ack", url), NULL, &answer, &http, &ignored) < 0)
		lend_note(l, "the executor could not be told that the result is here");
	buf_free(&answer);
	return status;
}

enum fsm_event
follow_end_event(const struct err *why)
{
	return why->code == ERR_CANCELLED ? FSM_CANCEL
	       : why->code == ERR_EXPIRED ? FSM_EXPIRE
					  : FSM_RECEIVE_ERROR;
}

static int
failed(struct lend *l, const json_t *event, struct err *e)
{
	struct err why;

	(void)message_error(event, &why);
	if (why.code == ERR_NOT_FOUND) /* the stream's word for what /result says by 404 */
		why.code = ERR_SSE_FAILED;
	return delegation_end(l->id, follow_end_event(&why), &why, e);
}

/* Somebody here has cancelled it, and its executor may not be there to tell. */
static bool
ended_here(const struct lend *l)
{
	struct record r;
	struct err none;

	bool ended =
	    record_open(DELEGATIONS, l->id, false, &r, &none) == 0 && delegation_ended(r.json);
	record_close(&r);
	return ended;
}

/* Journal ${event} as it came, but for the archive, and remember its id.  The last one is
 * journalled by delegation_settle when it has come true: until then it is to be sent again. Nothing
 * follows an end that was made here. */
static int
note_event(struct lend *l, json_t *event, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	bool goes_on = status == 0 && l->last == NULL && !delegation_ended(r.json);

	(void)json_object_del(event, "snapshotBase64"); /* most events have none */
	(void)json_object_del(event, "snapshotFile");
	if (goes_on)
		status = feed_append(r.dirfd, event, false, false, e);
	int news = goes_on && status == 0 ? delegation_question(&r, event, e) : 0;
	if (news < 0)
		status = -1;
	bool seen = goes_on && status == 0 && l->sse.id[0] != '\0';
	if (seen)
		status = delegation_set_last_event_id(r.json, l->sse.id);
	if (status == 0 && (seen || news > 0))
		status = delegation_save(&r, false, e);
	delegation_close(&r, status == 0 && news == 2 ? "question" : NULL);
	if (l->observer.event != NULL)
		l->observer.event(l->observer.arg, event);
	return status;
}

static int
handle_event(struct lend *l, json_t *event, bool archive, struct err *e)
{
	const char *type = event_type(event);
	int status = 0;

	const char *whose = event_delegation_id(event);
	if (whose[0] != '\0' && strcmp(whose, l->id) != 0)
		return err_set(e, ERR_BAD_MESSAGE, "an event for another delegation");
	if (ended_here(l))
		return err_set(e, ERR_NONE, "it has ended here"); /* stops the stream */
	l->progressed = true;
	if (strcmp(type, "snapshot") == 0) {
		status = follow_started(l, true, e);
		if (status == 0 && archive)
			status = follow_keep(l, event_snapshot_id(event), event, e);
	} else if (strcmp(type, "status") == 0) {
		status = follow_started(l, true, e);
	} else if (strcmp(type, "done") == 0 || strcmp(type, "error") == 0) {
		/* Kept until the stream is out of the way: the executor must be asked for more. */
		l->last = json_incref(event);
	}
	return status < 0 ? -1 : note_event(l, event, e);
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
		follow_drop(l);
		return err_add(e, "an event");
	}
	redact_json(event);
	int status = handle_event(l, event, archive, e);
	follow_drop(l);
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
follow_begin(struct lend *l, struct err *e)
{
	l->split = jsplit_new(follow_archive, MESSAGE_MAX, follow_take, l, e);
	return l->split == NULL ? -1 : 0;
}

void
follow_end(struct lend *l)
{
	follow_drop(l);
	jsplit_free(l->split);
	l->split = NULL;
	json_decref(l->last);
	l->last = NULL;
}

int
follow_connect(struct lend *l, const char *last_id, struct err *e)
{
	char url[4096];

	follow_drop(l);
	jsplit_reset(l->split);
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

/* Act on the last event, or on the executor's /result that stands for it. */
static int
conclude(struct lend *l, struct err *e)
{
	const json_t *error = event_failure(l->last); /* so in a result */
	int status;

	l->ended = true;
	if (strcmp(event_type(l->last), "error") == 0)
		status = failed(l, l->last, e);
	else if (error != NULL)
		status = failed(l, error, e);
	else
		status = complete(l, l->last, e);
	return status;
}

/* The stream does not come: does the executor still hold the task?  Fills l->last if it has ended
 * there. */
static int
ask_result(struct lend *l, struct err *e)
{
	struct err why;
	int http = 0;

	json_t *o = follow_result(l, false, &http, &why);
	if (o == NULL)
		return 0; /* out of reach for now */
	const char *what = event_status(o);
	int status = 0;
	if (http == 404 || strcmp(what, "not_found") == 0) {
		err_set(&why, ERR_SSE_FAILED, "the executor does not know the delegation any more");
		l->last = message_event("error", l->id, e);
		status = l->last == NULL ? -1 : message_put_error(l->last, &why, e);
	} else if (http == 200 && (strcmp(what, "completed") == 0 || strcmp(what, "error") == 0)) {
		l->last = json_incref(o);
	}
	json_decref(o);
	return status;
}

/* Connect again after a loss, from the event that was read last. */
static int
reconnect(struct lend *l, int64_t until, int attempt, struct err *e)
{
	struct record r;
	char last[SSE_ID] = "0";

	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0)
		(void)snprintf(last, sizeof last, "%s", delegation_last_event_id(r.json));
	record_close(&r);
	if (status < 0)
		return -1;
	if (attempt > 0) {
		int64_t pause = clock_backoff(attempt);
		if (until != 0 && clock_steady() + pause > until)
			pause = until - clock_steady();
		if (pause > 0)
			(void)usleep((useconds_t)pause * 1000);
	}
	return follow_connect(l, last, e);
}

/* Run streams until the end is told, or until ${until}; ${lease}: that is the end of the lease. */
static int
run_streams(struct lend *l, int64_t until, bool lease, struct err *e)
{
	int attempt = 0;

	while (l->last == NULL) {
		struct err lost;
		int status = l->streaming || reconnect(l, until, attempt, &lost) == 0
				 ? client_run(l->client, l->quiet, until, &lost)
				 : -1;
		client_stream_close(l->client);
		l->streaming = false;
		lend_streamed(l, attempt + 1, l->last != NULL ? 0 : status, &lost);
		if (l->last != NULL)
			break;
		if (ended_here(l))
			return 0;
		bool late = until != 0 && clock_steady() >= until;
		/* The lease may have ended while nobody here looked, and the task before it. */
		if (late && lease && ask_result(l, e) < 0)
			return -1;
		if (l->last != NULL)
			break;
		if (late)
			return err_set(e, ERR_BUSY, "%s has not ended", l->id);
		if (status < 0 && lost.code != ERR_SSE_FAILED && lost.code != ERR_TRANSPORT_ERROR) {
			/* Not the connection: what came over it cannot be used, or not be kept. */
			*e = lost;
			return -1;
		}
		attempt = l->progressed ? 1 : attempt + 1;
		if (ask_result(l, e) < 0)
			return -1;
		if (l->last != NULL)
			break;
		if (attempt > RECONNECTS) {
			err_set(e, ERR_BUSY, "the executor of %s cannot be reached: %s", l->id,
				status < 0 ? lost.message : "it closes the event stream");
			return err_hint(e, "the task may still run; follow it later: awcp-watch %s",
					l->id);
		}
		lend_note(l, "the event stream was lost, connecting again");
	}
	return conclude(l, e);
}

/* The end of the lease as clock_steady, with time for the executor to say so itself; 0 if none is
 * known. */
static int64_t
lease_end(const struct lend *l, const json_t *delegation)
{
	int64_t when;

	if (clock_parse(delegation_lease_expires_at(delegation), &when, NULL) < 0)
		return 0;
	return clock_steady() + (when - clock_now()) + l->timeout * 1000;
}

int
lend_follow(struct lend *l, int64_t until, struct err *e)
{
	struct record r;
	struct err why;

	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status < 0)
		goto out;
	const char *state = delegation_state(r.json);
	if (!l->ended && !delegation_ended(r.json)) {
		if (strcmp(state, "started") != 0 && strcmp(state, "running") != 0 &&
		    !l->streaming) {
			err_set(e, ERR_BAD_STATE, "%s was never started: it is %s", l->id, state);
			status = err_hint(e, "begin it again: awcp-invite -R %s", l->id);
			goto out;
		}
		int64_t lease = lease_end(l, r.json);
		bool bounded = until != 0 && (lease == 0 || until < lease);
		status = run_streams(l, bounded ? until : lease, !bounded, e);
		if (status < 0 && e->code == ERR_BUSY && !bounded && lease != 0 &&
		    clock_steady() >= lease) {
			err_set(&why, ERR_EXPIRED, "the lease has ended");
			status = delegation_end(l->id, FSM_EXPIRE, &why, e);
		}
		if (status < 0 && e->code != ERR_BUSY && e->code != ERR_NO_SPACE &&
		    e->code != ERR_IO && e->code != ERR_INTERNAL) {
			/* What the executor sends is no use: end it, rather than try for
			 * ever.  What failed here may be tried again. */
			why = *e;
			(void)delegation_end(l->id, FSM_RECEIVE_ERROR, &why, &(struct err){0});
		}
		if (status < 0)
			goto out;
	}
	record_close(&r);
	/* Whoever ended it may have been killed before the journal said so. */
	status = record_open(DELEGATIONS, l->id, true, &r, e);
	if (status == 0)
		status = delegation_settle(&r, e);
	file_close(r.lockfd);
	r.lockfd = -1;
	if (status == 0)
		status = delegation_outcome(r.json, e);
	if (status == 0)
		status = follow_apply(l, r.json, e);
out:
	record_close(&r);
	return status;
}
