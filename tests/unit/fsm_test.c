/* Every state with every event, of both machines, against the tables of AWCP v1. */
#include "check.h"

#include <string.h>

#include "wire/fsm.h"

struct row {
	const char *state;
	const char *next[FSM_EVENTS];
};

#define ANY_FAILS \
	[FSM_RECEIVE_ERROR] = "error", [FSM_SEND_ERROR] = "error", [FSM_CANCEL] = "cancelled"

static const struct row delegation[] = {
    {"created", {[FSM_SEND_INVITE] = "invited", ANY_FAILS}},
    {"invited", {[FSM_RECEIVE_ACCEPT] = "accepted", [FSM_EXPIRE] = "expired", ANY_FAILS}},
    {"accepted", {[FSM_SEND_START] = "started", [FSM_EXPIRE] = "expired", ANY_FAILS}},
    {"started", {[FSM_SETUP_COMPLETE] = "running", [FSM_RECEIVE_DONE] = "completed", ANY_FAILS}},
    {"running", {[FSM_RECEIVE_DONE] = "completed", [FSM_EXPIRE] = "expired", ANY_FAILS}},
    {"completed", {0}},
    {"error", {0}},
    {"cancelled", {0}},
    {"expired", {0}},
    {NULL, {0}},
};

static const struct row assignment[] = {
    {"pending",
     {[FSM_RECEIVE_INVITE] = "pending",
      [FSM_RECEIVE_START] = "active",
      [FSM_TASK_FAIL] = "error",
      [FSM_RECEIVE_ERROR] = "error",
      [FSM_CANCEL] = "error"}},
    {"active",
     {[FSM_RECEIVE_INVITE] = "pending",
      [FSM_TASK_COMPLETE] = "completed",
      [FSM_TASK_FAIL] = "error",
      [FSM_RECEIVE_ERROR] = "error",
      [FSM_CANCEL] = "error"}},
    {"completed", {[FSM_RECEIVE_INVITE] = "pending"}},
    {"error", {[FSM_RECEIVE_INVITE] = "pending"}},
    {NULL, {0}},
};

static void
check_table(const char *name, const struct fsm *m, const struct row *rows)
{
	struct err e;

	for (const struct row *r = rows; r->state != NULL; r++) {
		bool ended = true;
		for (int event = 0; event < FSM_EVENTS; event++) {
			const char *next = fsm_next(m, r->state, (enum fsm_event)event, &e);
			char title[200];
			(void)snprintf(title, sizeof title, "%s: event %d in %s leads to %s", name,
				       event, r->state,
				       r->next[event] != NULL ? r->next[event] : "a refusal");
			CHECK_STR(next != NULL ? next : "refused",
				  r->next[event] != NULL ? r->next[event] : "refused", title);
			if (next == NULL)
				CHECK_INT(e.code, ERR_BAD_STATE, "a refusal is BAD_STATE");
			if (r->next[event] != NULL && event != FSM_RECEIVE_INVITE)
				ended = false;
		}
		CHECK_INT(fsm_ended(m, r->state), ended,
			  "the ends are those that nothing follows but a resume");
		CHECK(fsm_known(m, r->state), "%s is a state of the machine", r->state);
	}
	CHECK(!fsm_known(m, "bogus"), "another state is not known");
	CHECK(fsm_next(m, "bogus", FSM_CANCEL, &e) == NULL, "another state has no next");
}

int
main(void)
{
	check_table("delegation", &fsm_delegation, delegation);
	check_table("assignment", &fsm_assignment, assignment);
	return check_end();
}
