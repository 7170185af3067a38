#include "wire/fsm.h"

#include <string.h>

#include "log/members.h"

#define STATES 10

struct fsm {
	const char *states[STATES]; /* NULL-terminated */
	const char *next[STATES][FSM_EVENTS];
};

static const char *const event_names[FSM_EVENTS] = {
    [FSM_SEND_INVITE] = "SEND_INVITE",
    [FSM_RECEIVE_ACCEPT] = "RECEIVE_ACCEPT",
    [FSM_SEND_START] = "SEND_START",
    [FSM_SETUP_COMPLETE] = "SETUP_COMPLETE",
    [FSM_RECEIVE_DONE] = "RECEIVE_DONE",
    [FSM_RECEIVE_ERROR] = "RECEIVE_ERROR",
    [FSM_SEND_ERROR] = "SEND_ERROR",
    [FSM_CANCEL] = "CANCEL",
    [FSM_EXPIRE] = "EXPIRE",
    [FSM_RECEIVE_INVITE] = "RECEIVE_INVITE",
    [FSM_RECEIVE_START] = "RECEIVE_START",
    [FSM_TASK_COMPLETE] = "TASK_COMPLETE",
    [FSM_TASK_FAIL] = "TASK_FAIL",
};

#define FAILS [FSM_RECEIVE_ERROR] = "error", [FSM_SEND_ERROR] = "error", [FSM_CANCEL] = "cancelled"

/* Delegator.  "done" without a "status" before it implies SETUP_COMPLETE. Final states have an
 * empty row. */
const struct fsm fsm_delegation = {
    {"created", "invited", "accepted", "started", "running", "completed", "error", "cancelled",
     "expired", NULL},
    {
	{[FSM_SEND_INVITE] = "invited", FAILS},
	{[FSM_RECEIVE_ACCEPT] = "accepted", [FSM_EXPIRE] = "expired", FAILS},
	{[FSM_SEND_START] = "started", [FSM_EXPIRE] = "expired", FAILS},
	{[FSM_SETUP_COMPLETE] = "running", [FSM_RECEIVE_DONE] = "completed", FAILS},
	{[FSM_RECEIVE_DONE] = "completed", [FSM_EXPIRE] = "expired", FAILS},
    },
};

/* Executor.  An INVITE for an id that is held already is a resume: back to the beginning. */
const struct fsm fsm_assignment = {
    {"pending", "active", "completed", "error", NULL},
    {
	{[FSM_RECEIVE_INVITE] = "pending",
	 [FSM_RECEIVE_START] = "active",
	 [FSM_TASK_FAIL] = "error",
	 [FSM_RECEIVE_ERROR] = "error",
	 [FSM_CANCEL] = "error"},
	{[FSM_RECEIVE_INVITE] = "pending",
	 [FSM_TASK_COMPLETE] = "completed",
	 [FSM_TASK_FAIL] = "error",
	 [FSM_RECEIVE_ERROR] = "error",
	 [FSM_CANCEL] = "error"},
	{[FSM_RECEIVE_INVITE] = "pending"},
	{[FSM_RECEIVE_INVITE] = "pending"},
    },
};

static int
state_index(const struct fsm *m, const char *state)
{
	for (int i = 0; m->states[i] != NULL; i++)
		if (strcmp(m->states[i], state) == 0)
			return i;
	return -1;
}

const char *
fsm_next(const struct fsm *m, const char *state, enum fsm_event event, struct err *e)
{
	int i = state_index(m, state);

	if (i >= 0 && m->next[i][event] != NULL)
		return m->next[i][event];
	err_set(e, ERR_BAD_STATE, "%s is not possible in state %s", event_names[event], state);
	return NULL;
}

bool
fsm_ended(const struct fsm *m, const char *state)
{
	int i = state_index(m, state);

	if (i < 0)
		return false;
	for (int event = 0; event < FSM_EVENTS; event++)
		if (event != FSM_RECEIVE_INVITE && m->next[i][event] != NULL)
			return false;
	return true;
}

bool
fsm_known(const struct fsm *m, const char *state)
{
	return state_index(m, state) >= 0;
}

int
fsm_step(const struct fsm *m, struct record *r, enum fsm_event event, struct err *e)
{
	const char *next = fsm_next(m, record_state(r->json), event, e);

	if (next == NULL)
		return err_add(e, "%s", r->id);
	r->event = event_names[event];
	return record_set_state(r->json, next) < 0 ? err_memory(e) : 0;
}
