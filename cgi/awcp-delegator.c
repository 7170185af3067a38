/*
 * awcp-delegator - the delegator's side of AWCP v1, for programs that ask for delegations by HTTP.
 *
 * The routes, members and statuses are those of the reference implementation's delegator daemon, so
 * that its clients work unchanged.  What differs is that POST /delegate is answered as soon as
 * there is an id: what INVITE comes to is in the record, not in the answer.
 *
 * FastCGI behind a web server, or one request as plain CGI.  It reads and checks; everything that
 * talks to an executor or works on a directory is an errand, a process of its own (see errand.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/caller.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "delegator/job.h"
#include "delegator/job_run.h"
#include "config/config.h"
#include "config/home.h"
#include "config/settings.h"
#include "http/http.h"
#include "http/log.h"
#include "base/jsonx.h"
#include "delegator/owned.h"
#include "events/loop.h"
#include "wire/message.h"
#include "delegator/request.h"
#include "wire/question.h"
#include "delegator/roots.h"
#include "snapshot/snapshot.h"
#include "events/stream.h"

static long long most; /* delegations of callers that are unfinished at a time */

/* Who asks?  AWCP_CALLERS names the tokens that may; without it all may. */
static int
identify(const struct http *h, struct caller *c, struct err *e)
{
	if (caller_admit(h, c, e) < 0)
		return -1;
	if (c->owner[0] != '\0' && !caller_listed(SETTING_CALLERS, c->owner, true)) {
		err_set(e, ERR_AUTH_FAILED, "this token may not delegate here");
		return err_hint(e, "the operator of this server says with AWCP_CALLERS which may");
	}
	return 0;
}

static void
ok(struct http *h)
{
	http_json(h, 200, json_pack("{sb}", "ok", 1));
}

static int
count(void *arg, const struct record *r)
{
	long long *n = arg;

	(void)r;
	return ++*n >= most;
}

static int
check_room(struct err *e)
{
	long long n = 0;

	int full = lent_list(NULL, true, count, &n, e);
	if (full <= 0)
		return full;
	err_set(e, ERR_BUSY, "%lld delegations are unfinished", n);
	return err_hint(e, "try again later, or raise AWCP_MAX_DELEGATIONS");
}

static void
post_delegate(struct http *h)
{
	struct caller c;
	char id[ID_MAX + 1];
	json_t *body = NULL;
	struct err e, ignored;

	http_refuse_with(h, 400); /* as the reference does */
	int status = identify(h, &c, &e);
	if (status == 0)
		status =
		    (body = body_json(h, MESSAGE_MAX, false, &e)) == NULL ? -1 : check_room(&e);
	if (status == 0)
		status = order_take(body, c.owner, id, &e);
	if (status == 0 && (status = errand_follow(id, &e)) < 0)
		(void)delegation_end(id, FSM_RECEIVE_ERROR, &e, &ignored); /* nobody will */
	json_decref(body);
	if (status < 0)
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
	json_t *o = lent_summary(r);
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	int gone = 0;

	json_decref(o);
	if (text != NULL) {
		(void)http_write(l->h, ",", l->more ? 1 : 0);
		gone = http_write(l->h, text, strlen(text)) < 0;
		l->more = true;
	}
	free(text);
	l->unfinished += lent_over(r) ? 0 : 1;
	return gone;
}

/* Sent as it is read, for there may be very many. */
static void
get_delegations(struct http *h)
{
	static const char begin[] = "{\"delegations\":[";
	struct list l = {.h = h};
	struct caller c;
	struct err e;
	char end[64];

	if (identify(h, &c, &e) < 0) {
		http_fail(h, &e);
		return;
	}
	http_begin(h, 200, "application/json; charset=utf-8", "Cache-Control: no-store\r\n");
	(void)http_write(h, begin, sizeof begin - 1);
	if (lent_list(c.owner, false, send_one, &l, &e) < 0) {
		http_log("delegations: %s", e.message);
		return; /* half a list is no JSON, and so no list */
	}
	(void)snprintf(end, sizeof end, "],\"activeDelegations\":%lld}", l.unfinished);
	(void)http_write(h, end, strlen(end));
}

/* Who asks, and their delegation, opened to read. */
static int
find(struct http *h, struct caller *c, struct record *r, struct err *e)
{
	*r = (struct record){.dirfd = -1, .lockfd = -1};
	return identify(h, c, e) < 0 ? -1 : lent_open(http_id(h), c->owner, r, e);
}

static void
get_delegation(struct http *h)
{
	struct caller c;
	struct record r;
	struct err e;

	if (find(h, &c, &r, &e) < 0)
		http_fail(h, &e);
	else
		http_json(h, 200, lent_record(&r));
	record_close(&r);
}

static void
get_snapshots(struct http *h)
{
	struct caller c;
	struct record r;
	struct err e;

	if (find(h, &c, &r, &e) < 0) {
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
	static const struct stream_kind kind = {.check = lent_look};
	struct caller c;
	struct err e;

	if (identify(h, &c, &e) < 0 || stream_journal(h, &kind, DELEGATIONS, c.owner, &e) < 0)
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

/* Have ${errand} done to the delegation in the path, with ${takes} a body of JSON, and wait for it.
 */
static void
run(struct http *h, const char *errand, bool takes)
{
	json_t *body = NULL;
	char *input = NULL;
	const char *snapshot = http_second_id(h)[0] != '\0' ? http_second_id(h) : NULL;
	json_t *more = NULL;
	struct caller c;
	struct record r;
	struct err e;

	http_refuse_with(h, 400); /* as the reference does */
	int status = find(h, &c, &r, &e);
	if (status == 0 && snapshot != NULL)
		status = check_snapshot(&r, snapshot, &e);
	record_close(&r);
	if (status == 0 && takes) {
		body = body_json(h, QUESTION_LINE, false, &e);
		input = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
		status = body == NULL ? -1 : input == NULL ? err_memory(&e) : 0;
	} else if (status == 0) {
		status = http_drain(h, 65536, &e);
	}
	if (status == 0)
		status = errand_run(errand, http_id(h), snapshot, input, &more, &e);
	free(input);
	json_decref(body);
	if (status < 0)
		http_fail_with(h, &e, more != NULL ? more : json_object());
	else
		ok(h);
}

static void
delete_delegation(struct http *h)
{
	run(h, "cancel", false);
}

static void
post_apply(struct http *h)
{
	run(h, "apply", false);
}

static void
post_discard(struct http *h)
{
	run(h, "discard", false);
}

static void
post_answer(struct http *h)
{
	run(h, "answer", true);
}

static void
get_health(struct http *h)
{
	http_json(h, 200, json_pack("{ss}", "status", "ok"));
}

static const struct http_route routes[] = {
    {"POST", "/delegate", post_delegate},
    {"GET", "/delegations", get_delegations},
    {"GET", "/delegation/:id", get_delegation},
    {"DELETE", "/delegation/:id", delete_delegation},
    {"GET", "/delegation/:id/events", get_events},
    {"POST", "/delegation/:id/answer", post_answer},
    {"GET", "/delegation/:id/snapshots", get_snapshots},
    {"POST", "/delegation/:id/snapshots/:id/apply", post_apply},
    {"POST", "/delegation/:id/snapshots/:id/discard", post_discard},
    {"GET", "/health", get_health},
    {NULL, NULL, NULL},
};

int
main(int argc, char **argv)
{
	struct err e;
	long long threads;

	/* Not in a request: a web server may pass what follows a "?" as operands (RFC 3875, 4.4).
	 */
	if (argc > 1 && getenv("REQUEST_METHOD") == NULL)
		return errand_do(argc, argv); /* the environment has come from us */
	if (config_load(&e) < 0 || home_open(&e) < 0 || caller_policy(&e) < 0 ||
	    roots_read(&e) < 0 || setting_number(SETTING_MAX_DELEGATIONS, &most, &e) < 0 ||
	    loop_policy(&e) < 0 || setting_number(SETTING_THREADS, &threads, &e) < 0 ||
	    (http_serves() && errand_keep(&e) < 0) ||
	    http_run("awcp-delegator", routes, threads > 65536 ? 65536 : (unsigned)threads, &e) <
		0) {
		(void)fprintf(stderr, "awcp-delegator: %s%s%s\n", e.message,
			      e.hint[0] != '\0' ? "; " : "", e.hint);
		return err_exit(e.code);
	}
	return 0;
}
