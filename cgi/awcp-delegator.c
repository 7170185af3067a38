/*
 * awcp-delegator - the delegator's side of AWCP v1, for programs that ask for delegations by HTTP.
 *
 * The routes, members and statuses are those of the reference implementation's delegator daemon, so
 * that its clients work unchanged.  What differs is that POST /delegate is answered as soon as
 * there is an id: what INVITE comes to is in the record, not in the answer.
 *
 * FastCGI behind a web server, or one request as plain CGI.  It reads and checks; everything that
 * talks to an executor or works on a directory is a job, a process of its own (see
 * delegator/job.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/caller.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "delegator/job.h"
#include "http/log.h"
#include "delegator/owned.h"
#include "events/loop.h"
#include "wire/message.h"
#include "delegator/request.h"
#include "wire/question.h"
#include "delegator/roots.h"
#include "snapshot/snapshot.h"
#include "events/stream.h"

static long long max_unfinished; /* delegations of callers that are unfinished at a time */

struct census {
	const char *owner;
	long long all, own;
};

static int
count_unfinished(void *arg, const struct record *r)
{
	struct census *c = arg;

	/* What nobody waits for any more takes no place. */
	if (owned_overdue(r))
		return 0;
	c->own += strcmp(record_owner(r->json), c->owner) == 0;
	return ++c->all >= max_unfinished;
}

/* Is there room for one more of ${caller}?  No tenant alone has more than three quarters of all. */
static int
check_capacity(const struct caller *caller, struct err *e)
{
	struct census c = {.owner = caller->owner};
	long long share = max_unfinished - max_unfinished / 4, own = caller->token.limits.active;

	int full = owned_list(NULL, true, count_unfinished, &c, e);
	if (full < 0)
		return -1;
	if (full > 0) {
		err_set(e, ERR_BUSY, "%lld delegations are unfinished", c.all);
		return err_hint(e, "try again later, or raise AWCP_MAX_DELEGATIONS");
	}
	if (caller->owner[0] == '\0' || c.own < (own > 0 && own < share ? own : share))
		return 0;
	err_set(e, ERR_RATE_LIMITED, "%lld delegations of this token are unfinished", c.own);
	return err_hint(e, "try again when one has ended");
}

/* Record the delegation that ${h} asks for, and start to follow it. */
static int
delegate(struct http *h, char id[ID_MAX + 1], struct err *e)
{
	struct err ignored;
	int status = -1;

	json_t *body = body_json(h, MESSAGE_MAX, false, e);
	if (body == NULL)
		return -1;
	if (check_capacity(caller_of(h), e) < 0 ||
	    request_record(body, caller_of(h)->owner, id, e) < 0)
		goto out;
	status = delegator_job_follow(id, e);
	if (status < 0)
		(void)delegation_end(id, FSM_RECEIVE_ERROR, e, &ignored); /* nobody will */
out:
	json_decref(body);
	return status;
}

static void
post_delegate(struct http *h)
{
	char id[ID_MAX + 1];
	struct err e;

	http_refuse_with(h, 400); /* as the reference does */
	if (delegate(h, id, &e) < 0)
		http_fail(h, &e);
	else
		http_json(h, 200, json_pack("{ss}", "delegationId", id));
}

struct list {
	struct http *h;
	long long unfinished;
	bool more; /* a comma is due */
};

static int
send_one(void *arg, const struct record *r)
{
	struct list *l = arg;
	json_t *o = owned_summary(r);
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	int gone = 0;

	json_decref(o);
	if (text != NULL) {
		(void)http_write(l->h, ",", l->more ? 1 : 0);
		gone = http_write(l->h, text, strlen(text)) < 0;
		l->more = true;
	}
	free(text);
	l->unfinished += delegation_is_open(r->json) ? 1 : 0;
	return gone;
}

/* Sent as it is read, for there may be very many. */
static void
get_delegations(struct http *h)
{
	static const char begin[] = "{\"delegations\":[";
	struct list l = {.h = h};
	struct err e;
	char end[64];

	http_begin(h, 200, "application/json; charset=utf-8", "Cache-Control: no-store\r\n");
	(void)http_write(h, begin, sizeof begin - 1);
	if (owned_list(caller_of(h)->owner, false, send_one, &l, &e) < 0) {
		http_log("delegations: %s", e.message);
		return; /* half a list is not JSON */
	}
	(void)snprintf(end, sizeof end, "],\"activeDelegations\":%lld}", l.unfinished);
	(void)http_write(h, end, strlen(end));
}

/* The delegation in the path, if it is the caller's, opened to read. */
static int
open_owned(struct http *h, struct record *r, struct err *e)
{
	return owned_open(http_id(h), caller_of(h)->owner, r, e);
}

static void
get_delegation(struct http *h)
{
	struct record r;
	struct err e;

	if (open_owned(h, &r, &e) < 0)
		http_fail(h, &e);
	else
		http_json(h, 200, owned_record(&r));
	record_close(&r);
}

static void
get_snapshots(struct http *h)
{
	struct record r;
	struct err e;

	if (open_owned(h, &r, &e) < 0) {
		http_fail(h, &e);
	} else {
		json_t *list = delegation_snapshots(r.json);
		http_json(h, 200,
			  list != NULL ? json_pack("{sO}", "snapshots", list)
				       : json_pack("{s[]}", "snapshots"));
	}
	record_close(&r);
}

static void
get_events(struct http *h)
{
	static const struct stream_kind kind = {.check = owned_check};
	struct err e;

	if (stream_journal(h, &kind, DELEGATIONS, caller_of(h)->owner, &e) < 0)
		http_fail(h, &e);
}

/* Is there a snapshot of just this id?  Commands take a prefix, programs do not need that. */
static int
check_snapshot(const struct record *r, const char *id, struct err *e)
{
	const json_t *snapshot = snapshot_pick(r->json, id, e);

	if (snapshot != NULL && strcmp(snapshot_id(snapshot), id) == 0)
		return 0;
	return err_set(e, ERR_NOT_FOUND, "Snapshot not found: %s", id);
}

/* Check that ${h} may do something to its delegation, or to a snapshot of it (NULL: none). */
static int
check_subject(struct http *h, const char *snapshot, struct err *e)
{
	struct record r;

	int status = open_owned(h, &r, e);
	if (status == 0)
		status = snapshot == NULL ? 0 : check_snapshot(&r, snapshot, e);
	record_close(&r);
	return status;
}

/* The body of ${h}, which is JSON, as text; NULL on failure. */
static char *
read_input(struct http *h, struct err *e)
{
	json_t *body = body_json(h, QUESTION_LINE, false, e);

	if (body == NULL)
		return NULL;
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (text == NULL)
		err_memory(e);
	return text;
}

/* Run ${job} on the delegation in the path, with the body as its input if ${takes_body}. */
static int
run_job(struct http *h, struct delegator_job *job, bool takes_body, json_t **more, struct err *e)
{
	char *input = NULL;

	job->id = http_id(h);
	job->snapshot = http_second_id(h)[0] != '\0' ? http_second_id(h) : NULL;
	if (check_subject(h, job->snapshot, e) < 0)
		return -1;
	if (!takes_body && http_drain(h, 65536, e) < 0)
		return -1;
	if (takes_body && (input = read_input(h, e)) == NULL)
		return -1;
	job->input = input;
	int status = delegator_job_run(job, more, e);
	free(input);
	return status;
}

static void
answer_job(struct http *h, const char *name, bool takes_body)
{
	struct delegator_job job = {.name = name};
	json_t *more = NULL;
	struct err e;

	http_refuse_with(h, 400); /* as the reference does */
	if (run_job(h, &job, takes_body, &more, &e) < 0)
		http_fail_with(h, &e, more != NULL ? more : json_object());
	else
		http_ok(h);
}

static void
delete_delegation(struct http *h)
{
	answer_job(h, "cancel", false);
}

static void
post_apply(struct http *h)
{
	answer_job(h, "apply", false);
}

static void
post_discard(struct http *h)
{
	answer_job(h, "discard", false);
}

static void
post_answer(struct http *h)
{
	answer_job(h, "answer", true);
}

static void
get_health(struct http *h)
{
	http_json(h, 200, json_pack("{ss}", "status", "ok"));
}

static const struct http_route routes[] = {
    {"POST", "/delegate", RIGHT_LEND | ROUTE_ADDS, post_delegate},
    {"GET", "/delegations", RIGHT_LEND | RIGHT_READ, get_delegations},
    {"GET", "/delegation/:id", RIGHT_LEND | RIGHT_READ, get_delegation},
    {"DELETE", "/delegation/:id", RIGHT_LEND, delete_delegation},
    {"GET", "/delegation/:id/events", RIGHT_LEND | RIGHT_READ, get_events},
    {"POST", "/delegation/:id/answer", RIGHT_LEND, post_answer},
    {"GET", "/delegation/:id/snapshots", RIGHT_LEND | RIGHT_READ, get_snapshots},
    {"POST", "/delegation/:id/snapshots/:id/apply", RIGHT_LEND, post_apply},
    {"POST", "/delegation/:id/snapshots/:id/discard", RIGHT_LEND, post_discard},
    {"GET", "/health", ROUTE_PUBLIC, get_health},
    {NULL, NULL, 0, NULL},
};

static int
prepare(struct err *e)
{
	if (roots_read(e) < 0 || loop_policy(e) < 0 ||
	    setting_number(SETTING_MAX_DELEGATIONS, &max_unfinished, e) < 0)
		return -1;
	return http_serves() ? delegator_job_respawn(e) : 0;
}

int
main(int argc, char **argv)
{
	/* Not in a request: a web server may pass what follows a "?" as operands (RFC 3875, 4.4).
	 */
	if (argc > 1 && getenv("REQUEST_METHOD") == NULL)
		return delegator_job_main(argc, argv); /* the environment has come from us */
	return http_main("awcp-delegator", routes, prepare);
}
