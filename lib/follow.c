/*
 * The events of a delegation, read to the end.
 *
 * stream bytes -> sse_reader -> jsplit -> (archive) base64 -> snapshots/<x>.part/data.zip
 *                                      -> (the rest) one JSON object, an event
 *
 * When the stream is lost it is opened again with Last-Event-ID; a peer that knows no such thing
 * replays only its last event, so what is missing is asked for at /result.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "clock.h"
#include "file.h"
#include "journal.h"
#include "jsonx.h"
#include "lend_private.h"
#include "message.h"

#define QUIET_S 100     /* a living stream has a keepalive every 30 s */
#define RECONNECTS 5    /* in a row without an event, before the caller is told to come back */
#define GRACE_MS 30000  /* after the lease has ended, for the executor to say so itself */

static const char *const archive_path[] = {"snapshotBase64", NULL};

static void
drop_incoming(struct lend *l)
{
	if (l->receiving)
		snapshot_drop(&l->incoming);
	l->receiving = false;
	l->received = 0;
	l->decoder = (struct base64_decoder){0};
}

/* A piece of an archive, in base64. */
static int
take_archive(void *arg, const char *p, size_t n, struct err *e)
{
	unsigned char raw[24 * 1024 + 3];
	struct lend *l = arg;
	char id[ID_MAX + 1];

	/* The snapshot's id may come after its archive: until then it has a name of ours. */
	if (!l->receiving && !l->discard) {
		if (id_make("snap_", 12, id, e) < 0 ||
		    snapshot_receive(l->dirfd, id, &l->incoming, e) < 0)
			return -1;
		l->receiving = true;
	}
	while (n > 0) {
		size_t step = n < 32 * 1024 ? n : 32 * 1024, len = 0;
		if (base64_decode(&l->decoder, p, step, raw, &len, e) < 0)
			return err_add(e, "snapshot");
		l->received += len;
		if (l->received > (uint64_t)l->most) {
			(void)err_set(e, ERR_WORKSPACE_TOO_LARGE, "a snapshot of more than %lld bytes",
			    l->most);
			return err_hint(e, "raise AWCP_MAX_SNAPSHOT if you want it");
		}
		if (!l->discard && file_write(l->incoming.fd, raw, len, e) < 0)
			return err_add(e, "snapshot");
		p += step;
		n -= step;
	}
	lend_progress(l, "receiving", l->received, 0);
	return 0;
}

struct keeping {
	struct snapshot_incoming *incoming;
	const json_t *delegation;
};

static int
keep_aside(void *arg, struct buf *result, struct err *e)
{
	const struct keeping *k = arg;
	json_t *metadata = NULL;

	int status = snapshot_keep(k->incoming, k->delegation, &metadata, e);
	if (status == 0 && metadata != NULL)
		status = jsonx_dump(metadata, result, e);
	return status;
}

/* Keep the archive that has arrived as snapshot ${id} and note it in the record. */
static int
keep_snapshot(struct lend *l, const char *id, const json_t *event, struct err *e)
{
	struct buf text = BUF_INIT(65536);
	json_t *metadata = NULL;
	struct record r;

	if (!id_valid(id)) {
		drop_incoming(l);
		return err_set(e, ERR_BAD_MESSAGE, "a snapshot's id is not an id");
	}
	if (base64_finish(&l->decoder, e) < 0) {
		drop_incoming(l);
		return err_add(e, "snapshot %s", id);
	}
	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0 && l->receiving) {
		strcpy(l->incoming.id, id);
		struct keeping k = {&l->incoming, r.json};
		status = aside(keep_aside, &k, &text, e);
		if (text.len > 0)
			metadata = jsonx_parse(text.data, text.len, NULL);
	}
	record_close(&r);
	drop_incoming(l);
	if (status == 0 && (status = record_open(DELEGATIONS, l->id, true, &r, e)) == 0) {
		status = snapshot_add(&r, id, event, metadata, e);
		if (status == 0 && l->discard)
			status = jsonx_set(snapshot_pick(r.json, id, NULL), "status", "discarded");
		if (status == 0)
			status = delegation_save(&r, true, e);
		record_close(&r);
	}
	json_decref(metadata);
	buf_free(&text);
	return status;
}

int
follow_started(struct lend *l, bool running, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	const char *state = status == 0 ? jsonx_text(r.json, "state", "") : "";
	bool change = false;

	if (status == 0 && strcmp(state, "accepted") == 0) {
		status = delegation_step(&r, FSM_SEND_START, e);
		change = true;
	}
	if (status == 0 && running && strcmp(jsonx_text(r.json, "state", ""), "started") == 0) {
		status = delegation_step(&r, FSM_SETUP_COMPLETE, e);
		change = true;
	}
	if (status == 0 && change)
		status = delegation_save(&r, false, e);
	record_close(&r);
	return status;
}

/* Ask the executor for the whole result; it holds what a lost stream could not bring. */
struct result {
	struct lend *l;
	struct jsplit *split;
};

static int
read_result(void *arg, const char *p, size_t n, struct err *e)
{
	struct result *r = arg;

	return jsplit_feed(r->split, p, n, e);
}

/* GET /result.  Returns the object without the archive, which is in l->incoming if it had one and
 * ${archive}; *${http} is the status. */
static json_t *
get_result(struct lend *l, bool archive, int *http, struct err *e)
{
	char url[4096];
	json_t *o = NULL;
	bool found;
	struct result r = {l, jsplit_new(archive_path, MESSAGE_MAX, archive ? take_archive : NULL, l, e)};

	drop_incoming(l);
	if (r.split != NULL && client_send(l->client, "GET", lend_task_url(l, "result", url), NULL,
				   read_result, &r, http, e) == 0)
		o = jsplit_finish(r.split, &found, e);
	if (o == NULL)
		drop_incoming(l);
	jsplit_free(r.split);
	return o;
}

static bool
has_snapshot(const json_t *delegation)
{
	return json_array_size(json_object_get(delegation, "snapshots")) > 0;
}

/* Fetch the snapshot that "done" names, or that the executor has, if we do not have it. */
static int
fetch_missing(struct lend *l, const json_t *done, struct err *e)
{
	const json_t *ids = json_object_get(done, "snapshotIds");
	const char *want = json_string_value(json_array_get(ids, 0));
	char made[ID_MAX + 1];
	struct record r;
	int http = 0;

	if (record_open(DELEGATIONS, l->id, false, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	bool have = has_snapshot(r.json);
	record_close(&r);
	if (have)
		return 0;
	json_t *o = get_result(l, true, &http, e);
	if (o == NULL)
		return -1;
	int status = 0;
	if (l->received > 0) {
		want = jsonx_text(o, "snapshotId", want);
		if (want == NULL && id_make("snap_", 12, made, e) == 0)
			want = made;
		status = want == NULL ? -1 : keep_snapshot(l, want, o, e);
	} else if (want != NULL) {
		status = err_set(e, ERR_TRANSPORT_ERROR,
		    "the executor is done but does not give the snapshot back (HTTP %d)", http);
	}
	drop_incoming(l);
	json_decref(o);
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

	if (fetch_missing(l, done, e) < 0 || follow_started(l, true, e) < 0)
		return -1;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	if (status == 0 && !delegation_ended(r.json)) {
		json_t *result = json_object();
		const json_t *highlights = json_object_get(done, "highlights");
		(void)jsonx_set(result, "summary", jsonx_text(done, "summary", ""));
		if (json_is_array(highlights))
			(void)json_object_set(result, "highlights", (json_t *)(uintptr_t)highlights);
		status = delegation_step(&r, FSM_RECEIVE_DONE, e);
		if (status == 0 && json_object_set_new(r.json, "result", result) < 0)
			status = err_memory(e);
		const char *best = jsonx_text(done, "recommendedSnapshotId", NULL);
		if (status == 0 && best != NULL)
			status = snapshot_recommend(&r, best, e);
		if (status == 0)
			status = delegation_save(&r, true, e);
	}
	record_close(&r);
	/* An executor that does not hear the ack keeps the result until its retention ends. */
	if (status == 0 && client_call(l->client, "POST", lend_task_url(l, "ack", url), NULL, &answer,
			       &http, &ignored) < 0)
		lend_note(l, "the executor could not be told that the result is here");
	buf_free(&answer);
	return status;
}

static int
failed(struct lend *l, const json_t *event, struct err *e)
{
	struct err why;

	(void)message_error(event, &why);
	enum fsm_event how = why.code == ERR_CANCELLED ? FSM_CANCEL
			     : why.code == ERR_EXPIRED ? FSM_EXPIRE
						       : FSM_RECEIVE_ERROR;
	return delegation_end(l->id, how, &why, e);
}

/* Journal ${event} as it came, but for the archive, and remember its id. */
static int
note_event(struct lend *l, json_t *event, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);

	(void)json_object_del(event, "snapshotBase64"); /* most events have none */
	(void)json_object_del(event, "snapshotFile");
	if (status == 0)
		status = journal_append(r.dirfd, "events.ndjson", event, false, e);
	if (status == 0 && l->sse.id[0] != '\0') {
		status = jsonx_set(r.json, "lastEventId", l->sse.id);
		if (status == 0 && !delegation_ended(r.json))
			status = delegation_save(&r, false, e);
	}
	record_close(&r);
	if (l->observer.event != NULL)
		l->observer.event(l->observer.arg, event);
	return status;
}

static int
handle_event(struct lend *l, json_t *event, bool archive, struct err *e)
{
	const char *type = jsonx_text(event, "type", "");
	int status = 0;

	if (strcmp(jsonx_text(event, "delegationId", l->id), l->id) != 0)
		return err_set(e, ERR_BAD_MESSAGE, "an event for another delegation");
	l->progressed = true;
	if (strcmp(type, "snapshot") == 0) {
		status = follow_started(l, true, e);
		if (status == 0 && archive)
			status = keep_snapshot(l, jsonx_text(event, "snapshotId", ""), event, e);
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
		drop_incoming(l);
		return err_add(e, "an event");
	}
	int status = handle_event(l, event, archive, e);
	drop_incoming(l);
	json_decref(event);
	return status;
}

static int
take_stream(void *arg, const char *p, size_t n, struct err *e)
{
	struct lend *l = arg;

	return sse_read(&l->sse, p, n, e);
}

int
follow_begin(struct lend *l, struct err *e)
{
	l->split = jsplit_new(archive_path, MESSAGE_MAX, take_archive, l, e);
	return l->split == NULL ? -1 : 0;
}

void
follow_end(struct lend *l)
{
	drop_incoming(l);
	jsplit_free(l->split);
	l->split = NULL;
	json_decref(l->last);
	l->last = NULL;
}

int
follow_connect(struct lend *l, const char *last_id, struct err *e)
{
	char url[4096];

	drop_incoming(l);
	jsplit_reset(l->split);
	l->sse = (struct sse_reader){.data = take_data, .arg = l};
	l->progressed = false;
	l->streaming = false;
	if (client_stream(l->client, lend_task_url(l, "events", url), last_id, take_stream, l, e) < 0)
		return -1;
	l->streaming = true;
	return 0;
}

/* Act on the last event, or on the executor's /result that stands for it. */
static int
conclude(struct lend *l, struct err *e)
{
	const json_t *error = json_object_get(l->last, "error"); /* so in a result */
	int status;

	l->ended = true;
	if (strcmp(jsonx_text(l->last, "type", ""), "error") == 0)
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

	json_t *o = get_result(l, false, &http, &why);
	if (o == NULL)
		return 0; /* out of reach for now */
	const char *what = jsonx_text(o, "status", "");
	int status = 0;
	if (http == 404 || strcmp(what, "not_found") == 0) {
		(void)err_set(&why, ERR_SSE_FAILED, "the executor does not know the delegation any more");
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
	char last[SSE_ID];

	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0)
		(void)snprintf(last, sizeof last, "%s", jsonx_text(r.json, "lastEventId", "0"));
	record_close(&r);
	if (status < 0)
		return -1;
	if (attempt > 0) {
		int64_t pause = INT64_C(500) << attempt;
		if (until != 0 && clock_steady() + pause > until)
			pause = until - clock_steady();
		if (pause > 0)
			(void)usleep((useconds_t)pause * 1000);
	}
	return follow_connect(l, last, e);
}

/* Run streams until the end is told. */
static int
run_streams(struct lend *l, int64_t until, struct err *e)
{
	int attempt = 0;

	while (l->last == NULL) {
		struct err lost;
		int status = l->streaming || reconnect(l, until, attempt, &lost) == 0
				 ? client_run(l->client, QUIET_S, until, &lost)
				 : -1;
		client_stream_close(l->client);
		l->streaming = false;
		if (l->last != NULL)
			break;
		if (until != 0 && clock_steady() >= until)
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
			(void)err_set(e, ERR_BUSY, "the executor of %s cannot be reached: %s", l->id,
			    status < 0 ? lost.message : "it closes the event stream");
			return err_hint(e, "the task may still run; follow it later: awcp-watch %s", l->id);
		}
		lend_note(l, "the event stream was lost, connecting again");
	}
	return conclude(l, e);
}

/* The end of ${l}'s lease as clock_steady, plus the grace; 0 if none is known. */
static int64_t
lease_end(const json_t *delegation)
{
	const char *text = jsonx_text(delegation, "activeLease.expiresAt", NULL);
	int64_t when;

	if (text == NULL || clock_parse(text, &when, NULL) < 0)
		return 0;
	return clock_steady() + (when - clock_now()) + GRACE_MS;
}

struct applying {
	struct lend *l;
	const char *snap;
};

static int
apply_aside(void *arg, struct buf *result, struct err *e)
{
	const struct applying *a = arg;
	struct apply_totals totals = {0};

	int status = snapshot_apply(a->l->id, a->snap, false, a->l->observer.report,
	    a->l->observer.arg, &totals, NULL, e);
	if (status == 0)
		status = buf_add(result, &totals, sizeof totals, e);
	return status;
}

/* A snapshot that waits for "auto" to take it: not if a conflict was told before. */
static int
apply_waiting(struct lend *l, const json_t *delegation, struct err *e)
{
	struct apply_totals totals;
	struct buf result = BUF_INIT(sizeof totals);
	struct err none;

	if (strcmp(jsonx_text(delegation, "snapshotPolicy.mode", ""), "auto") != 0)
		return 0;
	const json_t *snap = snapshot_pick(delegation, NULL, &none);
	if (snap == NULL || strcmp(jsonx_text(snap, "status", ""), "pending") != 0)
		return 0;
	struct applying a = {l, jsonx_text(snap, "id", "")};
	int status = aside(apply_aside, &a, &result, e);
	if (status == 0)
		memcpy(&totals, result.data, sizeof totals);
	buf_free(&result);
	if (status < 0) {
		if (e->code == ERR_CONFLICT)
			(void)err_hint(e, "nothing was changed; see awcp-snapshot diff %s", l->id);
		return err_add(e, "completed, but the snapshot stays pending");
	}
	lend_note(l, "applied: %llu added, %llu changed, %llu deleted",
	    (unsigned long long)totals.added, (unsigned long long)totals.changed,
	    (unsigned long long)totals.deleted);
	return 0;
}

int
lend_follow(struct lend *l, int64_t until, struct err *e)
{
	struct record r;
	struct err why;

	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status < 0)
		goto out;
	const char *state = jsonx_text(r.json, "state", "");
	if (!l->ended && !delegation_ended(r.json)) {
		if (strcmp(state, "started") != 0 && strcmp(state, "running") != 0 && !l->streaming) {
			(void)err_set(e, ERR_BAD_STATE, "%s was never started: it is %s", l->id, state);
			status = err_hint(e, "begin it again: awcp-invite -R %s", l->id);
			goto out;
		}
		int64_t lease = lease_end(r.json);
		bool bounded = until != 0 && (lease == 0 || until < lease);
		status = run_streams(l, bounded ? until : lease, e);
		if (status < 0 && e->code == ERR_BUSY && !bounded && lease != 0 &&
		    clock_steady() >= lease) {
			(void)err_set(&why, ERR_EXPIRED, "the lease has ended");
			status = delegation_end(l->id, FSM_EXPIRE, &why, e);
		}
		if (status < 0 && e->code != ERR_BUSY && e->code != ERR_NO_SPACE && e->code != ERR_IO) {
			/* What the executor sends is no use: end it, rather than try for ever. */
			why = *e;
			(void)delegation_end(l->id, FSM_RECEIVE_ERROR, &why, &(struct err){0});
		}
		if (status < 0)
			goto out;
	}
	record_close(&r);
	status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0)
		status = delegation_outcome(r.json, e);
	if (status == 0)
		status = apply_waiting(l, r.json, e);
out:
	record_close(&r);
	return status;
}
