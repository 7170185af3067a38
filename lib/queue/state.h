/*
 * queue/state - the states of a task and what leads from one to another, as one table.
 *
 *	waiting         for its time or for other tasks        completed   done
 *	pending         may be taken                           failed      and no retry is left
 *	running         a worker has it                        timed_out   stopped at its time limit
 *	rate_limited    for its time, as a worker asked        cancelled   somebody did not want it
 *	waiting_answer  its worker waits for a person          blocked     what it needs failed
 *	paused          held back by a person                  unknown     nobody knows what it did
 */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include "base/err.h"

enum queue_state {
	QUEUE_NONE, /* there is no such task */
	QUEUE_WAITING,
	QUEUE_PENDING,
	QUEUE_RUNNING,
	QUEUE_RATE_LIMITED,
	QUEUE_WAITING_ANSWER,
	QUEUE_PAUSED,
	QUEUE_COMPLETED, /* this and all that follow are ends */
	QUEUE_FAILED,
	QUEUE_TIMED_OUT,
	QUEUE_CANCELLED,
	QUEUE_BLOCKED,
	QUEUE_UNKNOWN,
	QUEUE_STATES,
	/* As a task is shown whose claim has lapsed, until somebody takes it or tends the queue; in
	 * no record. */
	QUEUE_LAPSED = QUEUE_STATES,
	QUEUE_SHOWN
};

enum queue_event {
	QUEUE_PUT,
	QUEUE_HOLD,     /* put, with something to wait for */
	QUEUE_DUE,      /* its time has come, and what it waited for is over */
	QUEUE_TAKE,     /* a worker claims it */
	QUEUE_RETURN,   /* the worker hands it back, or lost it */
	QUEUE_LIMIT,    /* the worker hands it back until a time, as it may do no more for now */
	QUEUE_RETRY,    /* it failed, and is tried again at a time; or a person wants it again */
	QUEUE_ASK,      /* the worker has a question to a person */
	QUEUE_ANSWER,   /* and got the answer */
	QUEUE_COMPLETE, /* the worker says that it is done */
	QUEUE_FAIL,
	QUEUE_TIME_OUT,
	QUEUE_LOSE, /* its worker died, and by the queue's policy what it did stays unknown */
	QUEUE_CANCEL,
	QUEUE_BLOCK, /* a task that it depends on ended badly */
	QUEUE_PAUSE,
	QUEUE_RESUME,
	QUEUE_EVENTS
};

/* The state that follows ${state} on ${event}; QUEUE_NONE and ERR_BAD_STATE if there is none. */
enum queue_state queue_state_next(enum queue_state state, enum queue_event event, struct err *e);

/* True for a state that only a person's retry leads out of. */
bool queue_state_ended(enum queue_state state);

/* True while a worker has the task. */
bool queue_state_held(enum queue_state state);

/* The name of ${state}, "waiting_answer"; "none" for QUEUE_NONE. */
const char *queue_state_name(enum queue_state state);

/* The state with that name, or QUEUE_NONE; also for QUEUE_LAPSED, which is in no record. */
enum queue_state queue_state_named(const char *name);

#endif
