#include "queue/state.h"

#include <string.h>

static const char *const state_names[QUEUE_SHOWN] = {
    "none",      "waiting", "pending",   "running",   "rate_limited", "waiting_answer", "paused",
    "completed", "failed",  "timed_out", "cancelled", "blocked",      "unknown",        "lapsed",
};

static const char *const event_names[QUEUE_EVENTS] = {
    "put",      "hold", "due",      "take", "return", "limit", "retry", "ask",    "answer",
    "complete", "fail", "time_out", "lose", "cancel", "block", "pause", "resume",
};

/* What may happen to a task that a worker has. */
#define HELD                                                                \
	[QUEUE_RETURN] = QUEUE_PENDING, [QUEUE_LIMIT] = QUEUE_RATE_LIMITED, \
	[QUEUE_RETRY] = QUEUE_WAITING, [QUEUE_COMPLETE] = QUEUE_COMPLETED,  \
	[QUEUE_FAIL] = QUEUE_FAILED, [QUEUE_TIME_OUT] = QUEUE_TIMED_OUT,    \
	[QUEUE_LOSE] = QUEUE_UNKNOWN, [QUEUE_CANCEL] = QUEUE_CANCELLED

/* A person wants an ended task again. */
#define ENDED [QUEUE_RETRY] = QUEUE_WAITING

static const enum queue_state next[QUEUE_STATES][QUEUE_EVENTS] = {
    [QUEUE_NONE] = {[QUEUE_PUT] = QUEUE_PENDING, [QUEUE_HOLD] = QUEUE_WAITING},
    [QUEUE_WAITING] = {[QUEUE_DUE] = QUEUE_PENDING,
		       [QUEUE_BLOCK] = QUEUE_BLOCKED,
		       [QUEUE_CANCEL] = QUEUE_CANCELLED,
		       [QUEUE_PAUSE] = QUEUE_PAUSED},
    [QUEUE_PENDING] = {[QUEUE_TAKE] = QUEUE_RUNNING,
		       [QUEUE_CANCEL] = QUEUE_CANCELLED,
		       [QUEUE_PAUSE] = QUEUE_PAUSED},
    [QUEUE_RUNNING] = {[QUEUE_ASK] = QUEUE_WAITING_ANSWER, HELD},
    [QUEUE_RATE_LIMITED] = {[QUEUE_DUE] = QUEUE_PENDING,
			    [QUEUE_CANCEL] = QUEUE_CANCELLED,
			    [QUEUE_PAUSE] = QUEUE_PAUSED},
    [QUEUE_WAITING_ANSWER] = {[QUEUE_ANSWER] = QUEUE_RUNNING, HELD},
    [QUEUE_PAUSED] = {[QUEUE_RESUME] = QUEUE_WAITING,
		      [QUEUE_BLOCK] = QUEUE_BLOCKED,
		      [QUEUE_CANCEL] = QUEUE_CANCELLED},
    [QUEUE_COMPLETED] = {ENDED},
    [QUEUE_FAILED] = {ENDED},
    [QUEUE_TIMED_OUT] = {ENDED},
    [QUEUE_CANCELLED] = {ENDED},
    [QUEUE_BLOCKED] = {ENDED},
    [QUEUE_UNKNOWN] = {ENDED},
};

enum queue_state
queue_state_next(enum queue_state state, enum queue_event event, struct err *e)
{
	enum queue_state then = next[state][event];

	if (then == QUEUE_NONE)
		err_set(e, ERR_BAD_STATE, "the task is %s: no %s", state_names[state],
			event_names[event]);
	return then;
}

bool
queue_state_ended(enum queue_state state)
{
	return state >= QUEUE_COMPLETED && state < QUEUE_STATES;
}

bool
queue_state_held(enum queue_state state)
{
	return state == QUEUE_RUNNING || state == QUEUE_WAITING_ANSWER;
}

const char *
queue_state_name(enum queue_state state)
{
	return state_names[state];
}

enum queue_state
queue_state_named(const char *name)
{
	for (int i = QUEUE_NONE + 1; i < QUEUE_STATES; i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum queue_state)i;
	return QUEUE_NONE;
}
