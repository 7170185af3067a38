/*
 * awcp-executor - the executor's side of AWCP v1 over HTTP.
 *
 * Accepts delegations and reports their progress; it never runs one (awcp-run does, from the
 * queue). FastCGI behind a web server that mounts it at /awcp, or one request as plain CGI.  What a
 * START brings is written to disk as it arrives, what a stream or a result sends is read from there
 * as it goes, so memory does not grow with the workspace.
 *
 * Statuses are those of the reference implementation where it answers 2xx or 404; where it says 500
 * to a mistake of the client's, the status says whose mistake it was.  A refused INVITE is a 200
 * with an ERROR message, as the protocol has it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "assignment/sweep.h"
#include "http/body.h"
#include "http/caller.h"
#include "executor/answers.h"
#include "http/pool.h"
#include "events/loop.h"
#include "state/space.h"
#include "wire/members.h"
#include "wire/message.h"
#include "log/metrics.h"
#include "wire/question.h"
#include "executor/receive.h"
#include "events/stream.h"

#define METRICS_MAX (16 * 1024 * 1024) /* bytes of all metrics */

static struct assignment_policy policy;

/* A code that the peer knows as an answer to INVITE. */
static bool
is_refusal(const struct err *e)
{
	return e->code <= ERR_CHECKSUM_MISMATCH;
}

/* Refuse ${invite} with ${e}, as the protocol has it if it has a code for that; or -1. */
static int
refuse_invite(struct http *h, const json_t *invite, struct err *e)
{
	struct err why = *e;

	if (e->code == ERR_AUTH_FAILED && http_count_stranger(h, e) < 0)
		return -1;
	if (!is_refusal(&why))
		return -1;
	http_outcome(h, why.code);
	json_t *answer = message_new("ERROR", message_id(invite), message_describe_error(&why), e);
	if (answer == NULL)
		return -1;
	http_json(h, 200, answer);
	return 0;
}

static bool
is_invite(const struct received *r)
{
	return strcmp(message_kind(r->message), "INVITE") == 0;
}

/* The caller of ${h}, which asks for ${step} of the delegation in its path: as assignment_open
 * takes it. */
static const char *
owner_of(struct http *h, const char *step)
{
	const char *owner = caller_of(h)->owner;

	http_step(h, step, http_id(h), owner);
	return owner;
}

/* Answer a failure of ${e} to ${owner}. */
static void
fail_hidden(struct http *h, const char *owner, struct err *e)
{
	caller_hide(owner, e);
	http_fail(h, e);
}

static int
take_invite(struct http *h, struct received *r, struct err *e)
{
	const struct caller *c = caller_of(h);
	json_t *answer = NULL;

	if (caller_from_invite(h, r->message, e) < 0)
		return refuse_invite(h, r->message, e);
	http_step(h, "invite", message_id(r->message), c->owner);
	const struct assignment_inviter by = {
	    .owner = c->owner, .token = &c->token, .capability = c->capability};
	if (message_check_invite(r->message, e) == 0)
		answer = assignment_accept(r->message, &by, &policy, e);
	if (answer == NULL)
		return refuse_invite(h, r->message, e);
	http_json(h, 200, answer);
	return 0;
}

static int
start_received(struct received *r, const char *id, const char *owner, struct err *e)
{
	if (r->unusable.code != ERR_NONE) {
		*e = r->unusable;
		return -1;
	}
	int dirfd = received_name(r, e);
	if (dirfd < 0)
		return -1;
	const struct assignment_archive archive = {dirfd, r->name, r->size, r->sha256,
						   r->in_time && strcmp(r->id, id) == 0};
	return assignment_start(id, owner, &policy, r->message, &archive, e);
}

static int
take_start(struct http *h, struct received *r, struct err *e)
{
	const char *id = message_id(r->message), *owner = caller_of(h)->owner;
	struct err ignored;

	http_step(h, "start", id, owner);
	if (message_check_start(r->message, e) < 0)
		return -1;
	if (start_received(r, id, owner, e) == 0) {
		received_arrived(r);
		http_ok(h);
		return 0;
	}
	/* No other START can mend these: report it on the stream, too. */
	if (e->code == ERR_CHECKSUM_MISMATCH || e->code == ERR_START_EXPIRED ||
	    e->code == ERR_WORKSPACE_TOO_LARGE)
		assignment_refuse(id, owner, e, &ignored); /* or it is not theirs */
	return -1;
}

static int
take_error(struct http *h, struct received *r, struct err *e)
{
	const char *id = message_id(r->message), *owner = caller_of(h)->owner;
	struct err why;

	http_step(h, "cancel", id, owner);
	if (jsonx_string(r->message, error_code_path(), 64, e) == NULL ||
	    jsonx_string(r->message, error_message_path(), MESSAGE_MAX, e) == NULL)
		return -1;
	message_error(r->message, &why);
	if (assignment_cancel(id, owner, &why, e) < 0)
		return -1;
	http_ok(h);
	return 0;
}

static int
take_message(struct http *h, struct received *r, struct err *e)
{
	static const struct {
		const char *type;
		int (*take)(struct http *, struct received *, struct err *);
	} types[] = {{"INVITE", take_invite}, {"START", take_start}, {"ERROR", take_error}};
	const struct caller *c = caller_of(h);
	struct err ignored;

	if (receive(h, &policy, r, e) < 0) {
		if (is_invite(r))
			return refuse_invite(h, r->message, e);
		if ((e->code == ERR_WORKSPACE_TOO_LARGE || e->code == ERR_START_EXPIRED) &&
		    r->id[0] != '\0')
			assignment_refuse(r->id, c->owner, e, &ignored);
		return -1;
	}
	const char *type = message_type(r->message, e);
	if (type == NULL)
		return -1;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i].type) == 0)
			return types[i].take(h, r, e);
	return err_set(e, ERR_BAD_MESSAGE, "%s is not for an executor", type);
}

/* Refuse a message with a token that opens nothing, for which ${why}, by its type. */
static void
refuse_wrong_token(struct http *h, struct received *r, struct err *why)
{
	struct err ignored; /* it is not known what it is: then it is refused as anything is */

	if (is_refusal(why) && receive_beginning(h, r, &ignored) == 0 && is_invite(r) &&
	    refuse_invite(h, r->message, why) == 0)
		return;
	http_fail(h, why);
}

static void
post_message(struct http *h)
{
	struct received r = {.fd = -1, .hold = -1};
	struct err e;

	if (caller_identify(h, RIGHT_INVITE, &e) < 0)
		refuse_wrong_token(h, &r, &e);
	else if (take_message(h, &r, &e) < 0)
		fail_hidden(h, caller_of(h)->owner, &e);
	received_free(&r);
}

/* May ${owner} follow ${id}, and has it ended?  A journal that lacks its end is repaired. */
static int
look_up_assignment(const char *id, const char *owner, bool *over, struct err *e)
{
	struct record r;

	int status = assignment_open(id, owner, false, &r, e);
	*over = status >= 0 && assignment_ended(r.json);
	record_close(&r);
	return *over ? assignment_repair_journal(id, owner, e) : status;
}

static int
stream_events(struct http *h, const char *owner, struct err *e)
{
	static const struct stream_kind kind = {.check = look_up_assignment, .last_is_end = true};
	char token[SHA256_HEX];

	/* An id that is a credential is good for as long as the token that it came with. */
	if (owner == NULL && (assignment_credential(http_id(h), token, e) < 0 ||
			      (token[0] != '\0' && caller_vouch(h, token, e) < 0)))
		return -1;
	return stream_journal(h, &kind, ASSIGNMENTS, owner, e);
}

static void
get_events(struct http *h)
{
	const char *owner = owner_of(h, "events");
	struct err e;

	if (stream_events(h, owner, &e) == 0)
		return;
	caller_hide(owner, &e);
	if (e.code != ERR_NOT_FOUND) {
		http_fail(h, &e);
		return;
	}
	/* AWCP v1: a stream with one event, not a status. */
	err_set(&e, ERR_NOT_FOUND, "Delegation not found on executor");
	http_outcome(h, e.code);
	stream_error(h, &e);
}

static void
get_result(struct http *h)
{
	result_answer(h, owner_of(h, "result"));
}

static void
post_ack(struct http *h)
{
	const char *owner = owner_of(h, "ack");
	struct err e;

	if (assignment_acknowledge(http_id(h), owner, &e) == 0) {
		http_ok(h);
		return;
	}
	caller_hide(owner, &e);
	/* AWCP v1: what is gone already, or not ended yet, is acknowledged all the same. */
	if (e.code == ERR_NOT_FOUND || e.code == ERR_BAD_STATE)
		http_ok(h);
	else
		http_fail(h, &e);
}

/* An extension: the delegator answers a question of the task (question.h). */
static void
post_answer(struct http *h)
{
	const char *question, *answer, *owner = caller_of(h)->owner;
	struct err e;

	json_t *body = body_json(h, QUESTION_LINE, false, &e);
	if (body == NULL || question_answer_of(body, &question, &answer, &e) < 0 ||
	    assignment_answer(http_id(h), owner, question, answer, &e) < 0)
		fail_hidden(h, owner, &e);
	else
		http_ok(h);
	json_decref(body);
}

static void
post_cancel(struct http *h)
{
	const char *owner = owner_of(h, "cancel");
	struct err e, why;

	err_set(&why, ERR_CANCELLED, "Delegation cancelled");
	if (assignment_cancel(http_id(h), owner, &why, &e) == 0) {
		http_json(h, 200, json_pack("{sb sb}", "ok", 1, "cancelled", 1));
		return;
	}
	caller_hide(owner, &e);
	if (e.code == ERR_NOT_FOUND)
		err_set(&e, ERR_NOT_FOUND, "Delegation not found: %s", http_id(h));
	http_fail(h, &e);
}

static void
get_status(struct http *h)
{
	struct err e;

	json_t *status = assignment_status(caller_of(h)->owner, &e);
	if (status != NULL)
		http_json(h, 200, status);
	else
		http_fail(h, &e);
}

static void
get_metrics(struct http *h)
{
	struct buf out = BUF_INIT(METRICS_MAX);
	char length[64];
	struct err e;

	if (metrics_print(&out, &e) < 0 || gauges_print(&out, &e) < 0) {
		http_fail(h, &e);
	} else {
		(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", out.len);
		http_begin(h, 200, "text/plain; version=0.0.4; charset=utf-8", length);
		(void)http_write(h, out.data, out.len);
	}
	buf_free(&out);
}

static void
get_card(struct http *h)
{
	card_answer(h, &policy);
}

static const struct http_route routes[] = {
    {"POST", "/", RIGHT_INVITE | ROUTE_MESSAGE, post_message},
    {"GET", "/tasks/:id/events", RIGHT_INVITE | RIGHT_READ | ROUTE_BY_ID, get_events},
    {"GET", "/tasks/:id/result", RIGHT_INVITE | RIGHT_READ | ROUTE_BY_ID, get_result},
    {"POST", "/tasks/:id/ack", RIGHT_INVITE | ROUTE_BY_ID, post_ack},
    {"POST", "/tasks/:id/answer", RIGHT_INVITE | ROUTE_BY_ID, post_answer},
    {"POST", "/cancel/:id", RIGHT_INVITE | ROUTE_BY_ID, post_cancel},
    {"GET", "/status", RIGHT_INVITE | RIGHT_READ, get_status},
    {"GET", "/metrics", RIGHT_ADMIN, get_metrics},
    {"GET", "/.well-known/agent-card.json", ROUTE_PUBLIC, get_card},
    {"GET", "/.well-known/agent.json", ROUTE_PUBLIC, get_card},
    {NULL, NULL, 0, NULL},
};

/* End what is due, whether anybody asks or not. */
static void *
sweep_each_second(void *unused)
{
	const struct timespec second = {.tv_sec = 1};

	(void)unused;
	for (;;) {
		(void)nanosleep(&second, NULL);
		assignment_sweep(&policy);
		space_reserve();
	}
	return NULL;
}

/* Start that; before a single request as plain CGI it is done once. */
static int
prepare(struct err *e)
{
	if (assignment_policy(&policy, e) < 0 || loop_policy(e) < 0)
		return -1;
	if (!http_serves())
		assignment_sweep(&policy);
	return pool_thread(sweep_each_second, e);
}

int
main(void)
{
	return http_main("awcp-executor", routes, prepare);
}
