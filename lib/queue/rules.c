#include "queue/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define BACKOFF_MAX 86400 /* s; a longer one is not doubled */

void
queue_rule_count_need(const json_t *task, const char *id, enum queue_state state,
		      struct queue_needs *n)
{
	if (!queue_state_ended(state))
		n->open++;
	else if (state != QUEUE_COMPLETED && !task_after_failure(task))
		n->bad = id;
}

/* ${task} never runs, as ${bad}, which it depends on, did not complete. */
static int
block_task(json_t *task, const char *bad, struct err *e)
{
	char why[300];

	(void)snprintf(why, sizeof why, "%s, which it depends on, did not complete", bad);
	if (queue_task_set_error(task, "BLOCKED", why, e) < 0)
		return -1;
	return queue_task_step(task, QUEUE_BLOCK, e);
}

int
queue_rule_put(json_t *task, const struct queue_needs *n, struct err *e)
{
	bool waits = n->open > 0 || n->bad != NULL || queue_task_time(task) > clock_now();

	if (n->open > 0 && n->bad == NULL && task_set_waits_for(task, n->open) < 0)
		return err_memory(e);
	if (queue_task_step(task, waits ? QUEUE_HOLD : QUEUE_PUT, e) < 0)
		return -1;
	return n->bad == NULL ? 0 : block_task(task, n->bad, e);
}

/* Nothing blocks ${task} any more: it waits for its needs as if it had just been put. */
static int
unblock_task(json_t *task, const struct queue_needs *n, struct err *e)
{
	task_drop_error(task);
	if (task_set_waits_for(task, n->open) < 0)
		return err_memory(e);
	if (queue_task_step(task, QUEUE_RETRY, e) < 0)
		return -1;
	queue_task_release(task);
	return 1;
}

int
queue_rule_need_ended(json_t *task, const struct queue_needs *n, struct err *e)
{
	if (queue_task_state(task) == QUEUE_BLOCKED)
		return n->bad == NULL ? unblock_task(task, n, e) : 0;
	if (n->bad == NULL && n->open == task_waits_for(task))
		return 0;
	if (task_set_waits_for(task, n->bad == NULL ? n->open : 0) < 0)
		return err_memory(e);
	if (n->bad != NULL)
		return block_task(task, n->bad, e) < 0 ? -1 : 1;
	queue_task_release(task);
	return 1;
}

/* Have both the same value, or none? */
static bool
is_same(const json_t *a, const json_t *b)
{
	return a == b || json_equal(a, b) == 1;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

enum queue_key_use
queue_rule_key(const json_t *old, const json_t *asked)
{
	/* The note of a key may be of a task that was not put after all. */
	if (!is_same_text(task_key(old), task_key(asked)) ||
	    !is_same_text(task_tenant(old), task_tenant(asked)))
		return QUEUE_KEY_FREE;
	if (task_unique(asked) && queue_state_ended(queue_task_state(old)))
		return QUEUE_KEY_FREE;
	return is_same(task_payload(old), task_payload(asked)) ? QUEUE_KEY_SAME : QUEUE_KEY_REUSED;
}

bool
queue_rule_lane_full(const struct queue_config *c, uint32_t lane, int64_t running)
{
	int64_t width = c->lane;
	json_t *value;
	const char *name;

	json_object_foreach (c->lanes, name, value)
		if ((uint32_t)queue_hash(name) == lane)
			width = json_integer_value(value);
	return width > 0 && running >= width;
}

static bool
has_capability(const struct queue_worker *w, const char *needed)
{
	const char *const *has = w->capabilities;

	while (has != NULL && *has != NULL && strcmp(*has, needed) != 0)
		has++;
	return has != NULL && *has != NULL;
}

bool
queue_rule_fits(const json_t *task, const struct queue_worker *w)
{
	const json_t *needed;
	size_t i;

	if (w->tenant != NULL && !is_same_text(task_tenant(task), w->tenant))
		return false;
	json_array_foreach (task_requires(task), i, needed)
		if (!has_capability(w, json_string_value(needed)))
			return false;
	return true;
}

int
queue_rule_take(json_t *task, const struct queue_worker *w, uint32_t attempt, struct err *e)
{
	task_drop_error(task); /* of the previous attempt */
	if (task_set_progress(task, NULL) < 0)
		return err_memory(e);
	if (queue_task_step(task, QUEUE_TAKE, e) < 0 ||
	    queue_task_begin_attempt(task, attempt, w->name, w->lease, e) < 0)
		return -1;
	return queue_task_set_time(task, 0, e);
}

int
queue_rule_quarantine(json_t *task, struct err *e)
{
	static const char why[] = "its payload in the journal is damaged";

	if (queue_task_end_attempt(task, "failed", why, e) < 0 ||
	    queue_task_set_error(task, "QUARANTINED", why, e) < 0)
		return -1;
	return queue_task_step(task, QUEUE_FAIL, e);
}

/* When the next retry may begin. */
static int64_t
retry_time(const json_t *task)
{
	int64_t failed = task_failures(task); /* with this one */
	int64_t wait = task_backoff(task);

	for (int64_t i = 1; i < failed && wait < BACKOFF_MAX; i++)
		wait *= 2;
	return clock_now() + wait * 1000;
}

/* Count a failure, which is tried again, or not: the event that it comes to. */
static int
count_failure(json_t *task, const struct queue_outcome *o, enum queue_event *event, struct err *e)
{
	int64_t failed = task_failures(task) + 1;

	if (task_set_failures(task, failed) < 0)
		return err_memory(e);
	if (o->last || failed > task_retries(task))
		return 0;
	*event = QUEUE_RETRY;
	return queue_task_set_time(task, retry_time(task), e);
}

static const char *const outcomes[QUEUE_EVENTS] = {
    [QUEUE_COMPLETE] = "completed", [QUEUE_FAIL] = "failed",        [QUEUE_TIME_OUT] = "timed_out",
    [QUEUE_RETURN] = "returned",    [QUEUE_LIMIT] = "rate_limited", [QUEUE_LOSE] = "unknown",
    [QUEUE_CANCEL] = "cancelled",
};

/* Why the claim ends, written to ${text} if need be: a failure always has a reason, if only what is
 * known. */
static const char *
reason_of(const struct queue_outcome *o, char text[64])
{
	if (o->message != NULL || (o->event != QUEUE_FAIL && o->event != QUEUE_TIME_OUT))
		return o->message;
	if (o->exit >= 0)
		(void)snprintf(text, 64, "it ended with status %d", o->exit);
	else
		(void)snprintf(text, 64, "its worker did not say why");
	return text;
}

/* Note the result and how the attempt ended. */
static int
note_outcome(json_t *task, const struct queue_outcome *o, struct err *e)
{
	if (o->result != NULL &&
	    json_dumpb(o->result, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > QUEUE_RESULT) {
		err_set(e, ERR_TOO_LARGE, "the result has more than %d bytes", QUEUE_RESULT);
		return err_hint(e, "put it into a file, and name that");
	}
	char text[64];
	const char *message = reason_of(o, text);
	json_t *last = queue_task_last_attempt(task);
	if (queue_task_end_attempt(task, outcomes[o->event], message, e) < 0)
		return -1;
	if (o->exit >= 0 && last != NULL && attempt_set_exit(last, o->exit) < 0)
		return err_memory(e);
	if (o->result != NULL && task_set_result(task, json_incref(o->result)) < 0)
		return err_memory(e);
	if (o->event == QUEUE_COMPLETE || (o->code == NULL && message == NULL))
		return 0;
	return queue_task_set_error(task, o->code == NULL ? outcomes[o->event] : o->code, message,
				    e);
}

bool
queue_rule_finished(const json_t *task, uint32_t attempt, const struct queue_outcome *o)
{
	json_t *said = json_object();
	const json_t *one, *found = NULL;
	char text[64];
	size_t i;

	json_array_foreach (task_attempts(task), i, one)
		if (attempt_number(one) == (int64_t)attempt)
			found = one;
	bool same =
	    found != NULL && outcomes[o->event] != NULL &&
	    is_same_text(attempt_outcome(found), outcomes[o->event]) &&
	    queue_task_set_reason(said, attempt_set_reason, reason_of(o, text), NULL) == 0 &&
	    is_same_text(attempt_reason(found), attempt_reason(said)) &&
	    (o->result == NULL || is_same(o->result, task_result(task)));
	json_decref(said);
	return same;
}

int
queue_rule_finish(json_t *task, const struct queue_outcome *o, struct err *e)
{
	enum queue_event event = o->event;

	if (note_outcome(task, o, e) < 0)
		return -1;
	if ((event == QUEUE_FAIL || event == QUEUE_TIME_OUT) &&
	    count_failure(task, o, &event, e) < 0)
		return -1;
	if (event == QUEUE_LIMIT && queue_task_set_time(task, clock_now() + o->pause, e) < 0)
		return -1;
	return queue_task_step(task, event, e);
}

int
queue_rule_lose(json_t *task, const struct queue_config *c, bool died, struct err *e)
{
	const char *why = died ? "its worker died" : "its lease ended";
	int64_t max = task_max_deaths(task), deaths = task_deaths(task) + 1;
	struct queue_outcome o = {.event = c->recovery, .message = why, .exit = -1};
	char text[80];

	if (max < 0)
		max = c->max_deaths;
	if (task_set_deaths(task, deaths) < 0)
		return err_memory(e);
	/* Without a policy of its own, or with one of a later version, it is the queue's. */
	queue_recovery_named(task_recovery(task), &o.event, NULL);
	o.last = true; /* a failure by policy is not tried again */
	if (o.event == QUEUE_FAIL)
		o.code = died ? "WORKER_DIED" : "LEASE_ENDED";
	if (o.event == QUEUE_RETURN && max > 0 && deaths >= max) {
		(void)snprintf(text, sizeof text, "%s; that happened %lld times", why,
			       (long long)deaths);
		o.event = QUEUE_FAIL;
		o.code = "QUARANTINED";
		o.message = text;
	}
	return queue_rule_finish(task, &o, e);
}

int
queue_rule_control(json_t *task, enum queue_event event, const char *reason, struct err *e)
{
	enum queue_state state = queue_task_state(task);

	/* A worker that still has it tries it again itself. */
	if (event == QUEUE_RETRY && queue_state_held(state))
		return err_set(e, ERR_BAD_STATE, "the task is %s: no retry",
			       queue_state_name(state));
	if (event == QUEUE_CANCEL && state == QUEUE_CANCELLED)
		return 0;
	if (queue_task_step(task, event, e) < 0)
		return -1;
	if (event == QUEUE_RETRY) { /* from the beginning */
		task_drop_failures(task);
		task_drop_deaths(task);
		task_drop_error(task);
		if (queue_task_set_time(task, 0, e) < 0)
			return -1;
	}
	if (event == QUEUE_CANCEL &&
	    (queue_task_set_error(task, "CANCELLED", reason == NULL ? "cancelled" : reason, e) <
		 0 ||
	     queue_task_end_attempt(task, outcomes[QUEUE_CANCEL], reason, e) < 0))
		return -1;
	queue_task_release(task);
	return 1;
}
