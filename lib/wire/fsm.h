/*
 * fsm - the two state machines of AWCP v1, as tables.
 *
 * Every change of a delegation's or an assignment's state goes through here, under the record's
 * lock.  What is not in the table is refused.
 */
#ifndef WIRE_FSM_H
#define WIRE_FSM_H

#include "state/record.h"

enum fsm_event {
	FSM_SEND_INVITE,
	FSM_RECEIVE_ACCEPT,
	FSM_SEND_START,
	FSM_SETUP_COMPLETE,
	FSM_RECEIVE_DONE,
	FSM_RECEIVE_ERROR,
	FSM_SEND_ERROR,
	FSM_CANCEL,
	FSM_EXPIRE,
	FSM_RECEIVE_INVITE, /* assignment: an INVITE for a known id begins it anew (resume) */
	FSM_RECEIVE_START,
	FSM_TASK_COMPLETE,
	FSM_TASK_FAIL,
	FSM_EVENTS
};

struct fsm; /* a table */

extern const struct fsm fsm_delegation, fsm_assignment;

/* The state that follows ${state} on ${event}; NULL and ERR_BAD_STATE if there is none. */
const char *fsm_next(const struct fsm *m, const char *state, enum fsm_event event, struct err *e);

/* True if nothing follows ${state} but a resume. */
bool fsm_ended(const struct fsm *m, const char *state);

/* True if ${state} is one of the machine's. */
bool fsm_known(const struct fsm *m, const char *state);

/* Change the state of ${r}, which is open for change, by ${event}; the caller saves it. */
int fsm_step(const struct fsm *m, struct record *r, enum fsm_event event, struct err *e);

#endif
