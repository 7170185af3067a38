/*
 * queue/rules - what a task may be, what happens to it, and when: all that knows no storage.
 */
#ifndef QUEUE_RULES_H
#define QUEUE_RULES_H

#include "queue/queue.h"

/*
 * config.c: what a queue's config.json says, with the defaults where it says nothing.
 */

struct queue_config {
	int64_t width;             /* tasks that run at once; 0: any number */
	int64_t lane;              /* tasks of one lane at once; 0: any number */
	json_t *lanes;             /* the same for single lanes, or NULL */
	int64_t max_deaths;        /* claims of a task that may be lost; 0: any number */
	enum queue_event recovery; /* QUEUE_RETURN, QUEUE_FAIL or QUEUE_LOSE */
	int64_t retention;         /* ms that a task is kept after its end */
};

/* Read config.json in ${dirfd}, of queue ${queue}, which need not be there.  c->lanes is
 * the caller's to free, also after a failure. */
int queue_config_read(int dirfd, const char *queue, struct queue_config *c, struct err *e);

/*
 * name.c: what tasks are called, and short stand-ins for texts.
 */

/* A hash of ${text}, never 0; 0 for NULL. */
uint64_t queue_hash(const char *text);

/* Two bits that stand for ${text} in a cell, beside those of other texts. */
uint64_t queue_bits(const char *text);

/* Write "brave-otter-17". */
void queue_human_name(uint64_t number, char out[64]);

/*
 * admit.c: what may be asked for.
 */

/* Is ${asked} a task that may be put: is every member known, and as it must be?  ERR_BAD_DATA,
 * ERR_TOO_LARGE. */
int queue_admit(json_t *asked, struct err *e);

/*
 * task.c: what a change does to the record of a task.  No storage is known here.
 */

enum queue_state queue_task_state(const json_t *task);

/* Change the state of ${task} by ${event}; ERR_BAD_STATE if that is not possible. */
int queue_task_step(json_t *task, enum queue_event event, struct err *e);

/* When ${task} may be taken, ms since 1970; 0: at once. */
int64_t queue_task_time(const json_t *task);
int queue_task_set_time(json_t *task, int64_t ms, struct err *e);

/* ${task} is pending if it waits, but for nothing any more. */
void queue_task_release(json_t *task);

/* Give ${text} (NULL: none) to ${set}, a setter of ${o}, as it is kept: redacted, and cut so that a
 * task's line stays short enough. */
int queue_task_set_reason(json_t *o, int (*set)(json_t *o, const char *text), const char *text,
			  struct err *e);

/* ${task} has an error; ${message} may be NULL. */
int queue_task_set_error(json_t *task, const char *code, const char *message, struct err *e);

/* The last attempt, borrowed; NULL if there is none. */
json_t *queue_task_last_attempt(const json_t *task);

/* Begin attempt ${number} by ${worker}, with a lease of ${lease} ms. */
int queue_task_begin_attempt(json_t *task, uint32_t number, const char *worker, int64_t lease,
			     struct err *e);

/* End the last attempt, if it runs, with ${outcome}, such as "returned", because of ${why} or NULL.
 */
int queue_task_end_attempt(json_t *task, const char *outcome, const char *why, struct err *e);

/*
 * rules.c: what happens to a task, and when: the rules of a queue.
 *
 * They are functions on records and know no storage: a store reads a record, applies a rule and
 * commits what it made of the record.  Which state may follow on which is in state.h.  The order in
 * which tasks are taken is: of the pending ones that fit the worker and whose lane is not full, the
 * most urgent, and of these the oldest.
 */

/* How the tasks are that a task depends on. */
struct queue_needs {
	int64_t open;    /* so many have not ended */
	const char *bad; /* id of one that did not complete, though it must; or NULL */
};

/* Count in ${n} that ${id}, which ${task} depends on, is in ${state}. */
void queue_rule_count_need(const json_t *task, const char *id, enum queue_state state,
			   struct queue_needs *n);

/* ${task} is put: it is pending, waits for its time or its needs, or is blocked already. */
int queue_rule_put(json_t *task, const struct queue_needs *n, struct err *e);

/* One of the needs of ${task}, which waits for them or is blocked by one, has ended, or is to be
 * done again.  Returns 1 if that changed the task, 0, -1. */
int queue_rule_need_ended(json_t *task, const struct queue_needs *n, struct err *e);

enum queue_key_use {
	QUEUE_KEY_FREE,  /* put a new task */
	QUEUE_KEY_SAME,  /* ${old} is the task that is asked for */
	QUEUE_KEY_REUSED /* ${old} is another one: ERR_KEY_REUSED */
};

/* What the key of ${asked} means where the last task that was put with it is ${old}. */
enum queue_key_use queue_rule_key(const json_t *old, const json_t *asked);

/* True if no more tasks of a lane, which has the queue_hash ${lane}, may run: ${running} do. */
bool queue_rule_lane_full(const struct queue_config *c, uint32_t lane, int64_t running);

/* True if ${w} may have ${task}, and is capable of all that it requires. */
bool queue_rule_fits(const json_t *task, const struct queue_worker *w);

/* ${w} claims ${task} as attempt ${attempt}. */
int queue_rule_take(json_t *task, const struct queue_worker *w, uint32_t attempt, struct err *e);

/* What was to be done is not known any more: ${task}, which is claimed, has failed. */
int queue_rule_quarantine(json_t *task, struct err *e);

/* True if attempt ${attempt} of ${task} has ended as ${o} says, so that this is said again. */
bool queue_rule_finished(const json_t *task, uint32_t attempt, const struct queue_outcome *o);

/* The claim on ${task} ends as ${o} says: its state, its attempt, a retry. */
int queue_rule_finish(json_t *task, const struct queue_outcome *o, struct err *e);

/* The claim on ${task} was lost, because its worker ${died} or else its lease ended: it is run
 * again, or ends by the policy of the task or the queue. */
int queue_rule_lose(json_t *task, const struct queue_config *c, bool died, struct err *e);

/* A person wants ${event} for ${task}: QUEUE_CANCEL, _PAUSE, _RESUME or _RETRY.  Returns 1 if that
 * changed it, 0 if it is cancelled already, -1. */
int queue_rule_control(json_t *task, enum queue_event event, const char *reason, struct err *e);

#endif
