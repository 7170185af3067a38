/*
 * queue/rules - what happens to a task, and when: the rules of a queue.
 *
 * They are functions on records and know no storage: a store reads a record, applies a rule and
 * commits what it made of the record.  Which state may follow on which is in state.h.  The order in
 * which tasks are taken is: of the pending ones that fit the worker and whose lane is not full, the
 * most urgent, and of these the oldest.
 */
#ifndef QUEUE_RULES_H
#define QUEUE_RULES_H

#include "queue/config.h"
#include "queue/queue.h"

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

/* One of the needs of ${task} has ended.  Returns 1 if that changed the task, 0, -1. */
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

/* The claim on ${task} ends as ${o} says: its state, its attempt, a retry. */
int queue_rule_finish(json_t *task, const struct queue_outcome *o, struct err *e);

/* The claim on ${task} was lost, because its worker ${died} or else its lease ended: it is run
 * again, or ends by the policy of the task or the queue. */
int queue_rule_lose(json_t *task, const struct queue_config *c, bool died, struct err *e);

/* A person wants ${event} for ${task}: QUEUE_CANCEL, _PAUSE, _RESUME or _RETRY. */
int queue_rule_control(json_t *task, enum queue_event event, const char *reason, struct err *e);

#endif
