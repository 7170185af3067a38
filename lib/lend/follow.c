/*
 * A delegation is followed to its end.
 *
 * When the stream is lost it is opened again with Last-Event-ID; a peer that does not know that
 * header replays only its last event, so what is missing is asked for at /result.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lend/private.h"
#include "wire/message.h"

#define RECONNECTS 5 /* in a row without an event, before the caller is to come back later */

static int
record_result(struct record *r, void *arg, struct err *e)
{
	const json_t *done = arg;
	const char *best = event_recommended_id(done);
	json_t *highlights = event_highlights(done);

	if (delegation_ended(r->json))
		return 0;
	if (fsm_step(&fsm_delegation, r, FSM_RECEIVE_DONE, e) < 0)
		return -1;
	if (delegation_set_summary(r->json, event_summary(done)) < 0)
		return err_memory(e);
	if (json_is_array(highlights) &&
	    delegation_set_highlights(r->json, json_incref(highlights)) < 0)
		return err_memory(e);
	if (best != NULL && snapshot_recommend(r, best, e) < 0)
		return -1;
	r->hook = "completed";
	return 1;
}

/* It is done: when everything is here, and the record says so, the executor may forget it. */
static int
complete(struct lend *l, json_t *done, int64_t until, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct lend_request q = {.step = "ack", .http.url = lend_task_url(l, "ack", url)};
	struct err ignored;

	int fetched = lend_result_fetch(l, done, until, e);
	if (fetched <= 0)
		return fetched;
	if (lend_started(l, true, e) < 0 || lend_change(l, record_result, done, true, e) < 0)
		return -1;
	/* Without the ack an executor keeps the result until its retention ends. */
	if (lend_call(l, &q, &answer, &ignored) < 0)
		lend_note(l, "the executor could not be told that the result is here");
	buf_free(&answer);
	return 0;
}

static int
fail(struct lend *l, const json_t *error, struct err *e)
{
	struct err why;

	message_error(error, &why);
	if (why.code == ERR_NOT_FOUND) /* in the stream, what /result says by 404 */
		why.code = ERR_SSE_FAILED;
	return delegation_end(l->id, lend_end_event(&why), &why, e);
}

/* Act on the last event, or on the executor's /result that stands for it; a result is asked for
 * until ${until}. */
static int
conclude(struct lend *l, int64_t until, struct err *e)
{
	const json_t *failure = event_failure(l->last);

	if (strcmp(event_type(l->last), "error") == 0)
		return fail(l, l->last, e);
	if (failure != NULL || strcmp(event_status(l->last), "error") == 0)
		return fail(l, failure, e);
	return complete(l, l->last, until, e);
}

/* The stream is lost: does the executor still hold the task?  Sets l->word, and l->last if it has
 * ended there.  *${answered}: by whomever. */
static int
ask_result(struct lend *l, bool *answered, struct err *e)
{
	struct lend_said said;
	struct err why;
	int status = -1;

	if (lend_ask(l, false, &said, e) < 0)
		goto out;
	if (said.word == LEND_UNKNOWN) {
		err_set(&why, ERR_SSE_FAILED, "the executor does not know the delegation any more");
		if ((l->last = message_error_event(l->id, &why, e)) == NULL)
			goto out;
	} else if (said.word == LEND_COMPLETED || said.word == LEND_FAILED) {
		l->last = json_incref(said.result);
	}
	status = 0;
out:
	l->word = said.word;
	*answered = said.answered;
	lend_said_free(&said);
	return status;
}

/* When to stop, as clock_steady; 0: never. */
struct deadline {
	int64_t until;
	bool is_lease; /* that is the end of the lease, with some time for the executor to tell */
};

static bool
is_over(const struct deadline *d)
{
	return d->until != 0 && clock_steady() >= d->until;
}

/* Connect again, from the event that was read last. */
static int
reconnect(struct lend *l, const struct deadline *d, int attempt, struct err *e)
{
	char last[SSE_ID];

	(void)snprintf(last, sizeof last, "%s", delegation_last_event_id(l->record));
	int64_t pause = attempt > 0 ? clock_backoff(attempt) : 0;
	if (d->until != 0 && clock_steady() + pause > d->until)
		pause = d->until - clock_steady();
	if (pause > 0)
		(void)usleep((useconds_t)pause * 1000);
	return lend_stream_open(l, last, e);
}

enum streamed {
	NEWS,    /* l->last says how it ended */
	ENDED,   /* somebody here has ended it */
	LATE,    /* the deadline has passed */
	LOST,    /* the connection, because of ${e} */
	UNUSABLE /* what came over it cannot be used, or not be stored: ${e} */
};

/* Run one stream. */
static enum streamed
run_stream(struct lend *l, const struct deadline *d, int attempt, struct err *e)
{
	int status = -1;

	if (l->streaming || reconnect(l, d, attempt, e) == 0)
		status = client_run(l->client, l->quiet, d->until, e);
	lend_stream_close(l);
	lend_streamed(l, attempt + 1, l->last != NULL ? 0 : status, e);
	if (l->last != NULL)
		return NEWS;
	if (lend_has_ended(l))
		return ENDED;
	if (is_over(d))
		return LATE;
	if (status >= 0)
		err_set(e, ERR_SSE_FAILED, "it closes the event stream");
	return e->code == ERR_SSE_FAILED || e->code == ERR_TRANSPORT_ERROR ? LOST : UNUSABLE;
}

static int
unreachable(const struct lend *l, const struct err *why, struct err *e)
{
	err_set(e, ERR_BUSY, "the executor of %s cannot be reached: %s", l->id, why->message);
	return err_hint(e, "the task may still run; follow it later: awcp-watch %s", l->id);
}

/* The stream was lost, because of ${why}, for the *${attempt}th time in a row.  As long as there is
 * somebody who answers, even if not with a result, it is worth to ask until ${d}. */
static int
go_on(struct lend *l, int *attempt, const struct err *why, struct err *e)
{
	bool answered;

	*attempt = l->progressed ? 1 : *attempt + 1;
	if (ask_result(l, &answered, e) < 0)
		return -1;
	if (l->last != NULL)
		return 0;
	if (!answered && *attempt > RECONNECTS)
		return unreachable(l, why, e);
	if (*attempt <= RECONNECTS)
		lend_note(l, "the event stream was lost, connecting again");
	return 0;
}

/* Run streams until the end is known, and act on it. */
static int
run_streams(struct lend *l, const struct deadline *d, struct err *e)
{
	struct err why;
	bool answered;

	for (int attempt = 0; l->last == NULL;) {
		switch (run_stream(l, d, attempt, &why)) {
		case NEWS:
			break;
		case ENDED:
			return 0;
		case LATE:
			/* The lease may have ended while nobody here followed it, and the task
			 * before it. */
			if (d->is_lease && ask_result(l, &answered, e) < 0)
				return -1;
			if (l->last == NULL)
				return err_set(e, ERR_BUSY, "%s has not ended", l->id);
			break;
		case LOST:
			if (go_on(l, &attempt, &why, e) < 0)
				return -1;
			break;
		case UNUSABLE:
			*e = why;
			return -1;
		}
	}
	/* A result that is there needs no time to be told of. */
	int64_t until = d->until == 0 || !d->is_lease ? d->until : d->until - l->timeout * 1000;
	if (conclude(l, until, e) < 0)
		return -1;
	l->ended = true;
	return 0;
}

/* The end of the lease as clock_steady, with time for the executor to report it itself; 0 if none
 * is known. */
static int64_t
lease_deadline(const struct lend *l)
{
	int64_t when;

	if (l->expires != 0) /* whatever became of the wall clock since START */
		return l->expires + l->timeout * 1000;
	if (clock_parse(delegation_lease_expires_at(l->record), &when, NULL) < 0)
		return 0;
	return clock_steady() + (when - clock_now()) + l->timeout * 1000;
}

/* The lease has ended.  Has the delegation?  Not as long as the executor may have a result that it
 * cannot be asked for: it keeps one for the time that ACCEPT named. */
static bool
has_expired(const struct lend *l)
{
	int64_t lease = delegation_lease_end(l->record);

	return l->word == LEND_RUNNING || lease < 0 ||
	       clock_now() - lease > delegation_executor_retention(l->record);
}

/* It is over, and nobody says how it ended. */
static int
end_lease(struct lend *l, struct err *e)
{
	struct err why;

	if (l->last != NULL)
		return -1; /* it does; but the result is not here yet */
	if (!has_expired(l)) {
		err_set(e, ERR_BUSY,
			"the lease of %s is over, but its executor does not say how "
			"the task ended",
			l->id);
		return err_hint(e,
				"a result is kept there for a while; try again later: "
				"awcp-watch %s",
				l->id);
	}
	err_set(&why, ERR_EXPIRED, "the lease has ended");
	return delegation_end(l->id, FSM_EXPIRE, &why, e);
}

/* What failed here, and may be tried again when that is mended? */
static bool
is_local(const struct err *e)
{
	return e->code == ERR_NO_SPACE || e->code == ERR_IO || e->code == ERR_INTERNAL ||
	       e->code == ERR_PERMISSION || e->code == ERR_CONFIG || e->code == ERR_CANNOT_CREATE;
}

static int
follow_to_end(struct lend *l, int64_t until, struct err *e)
{
	struct deadline d = {lease_deadline(l), true};
	struct err why;

	if (!l->streaming && !delegation_is(l->record, "started") &&
	    !delegation_is(l->record, "running")) {
		err_set(e, ERR_BAD_STATE, "%s was never started: it is %s", l->id,
			record_state(l->record));
		return err_hint(e, "begin it again: awcp-invite -R %s", l->id);
	}
	if (until != 0 && (d.until == 0 || until < d.until))
		d = (struct deadline){until, false};
	if (run_streams(l, &d, e) == 0)
		return 0;
	if (e->code == ERR_BUSY)
		return d.is_lease && is_over(&d) ? end_lease(l, e) : -1;
	/* What the executor sends is unusable: end it, rather than try for ever. */
	if (!is_local(e))
		(void)delegation_end(l->id, FSM_RECEIVE_ERROR, e, &why); /* ${e} is reported */
	return -1;
}

int
lend_follow(struct lend *l, int64_t until, struct err *e)
{
	if (lend_read(l, e) < 0)
		return -1;
	if (!l->ended && !delegation_ended(l->record) && follow_to_end(l, until, e) < 0)
		return -1;
	/* Whoever ended it may have been killed before the journal said so. */
	if (lend_change(l, NULL, NULL, false, e) < 0 || delegation_outcome(l->record, e) < 0)
		return -1;
	return lend_apply(l, e);
}
