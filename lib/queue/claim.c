#include "queue/private.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"

#define LEASE_MAX ((int64_t)366 * 86400 * 1000) /* ms */

int
queue_check_lease(int64_t lease, struct err *e)
{
	if (lease >= 1 && lease <= LEASE_MAX)
		return 0;
	return err_set(e, ERR_USAGE, "a lease lasts a millisecond to a year");
}

struct queue_claim *
queue_claim_new(struct queue_claim_id id, struct err *e)
{
	struct queue_claim *c = malloc(sizeof *c);

	if (c == NULL)
		err_memory(e);
	else
		*c = (struct queue_claim){.id = id, .fd = -1};
	return c;
}

void
queue_claim_free(struct queue_claim *c)
{
	if (c == NULL)
		return;
	file_close(c->fd);
	json_decref(c->task);
	free(c);
}

struct queue_claim_id
queue_claim_id(const struct queue_claim *c)
{
	return c->id;
}

json_t *
queue_claim_task(const struct queue_claim *c)
{
	return c->task;
}

/* Whoever ends a claim removes its file. */
bool
queue_claim_ended(const struct queue_claim *c)
{
	struct stat st;

	return fstat(c->fd, &st) == 0 && st.st_nlink == 0;
}

int
queue_claim_sync(struct queue *q, const struct queue_claim *c, struct err *e)
{
	return queue_journal_sync(&q->journal, c->end, e);
}

/* Claim the task of ${cell} for ${w} as ${c}; as queue_claim_make. */
static int
claim_task(struct queue *q, const struct queue_cell *cell, const struct queue_worker *w,
	   struct queue_claim *c, struct err *e)
{
	c->task = queue_read(q, cell, true, e);
	if (c->task == NULL || queue_rule_take(c->task, w, c->id.attempt, e) < 0)
		return -1;
	if (task_payload(c->task) == NULL) {
		if (queue_rule_quarantine(c->task, e) < 0 || queue_change(q, c->task, false, e) < 0)
			return -1;
		return queue_write(q, 0, e);
	}
	c->fd = queue_running_make(q, c->id, w, e);
	if (c->fd < 0 || queue_change(q, c->task, false, e) < 0)
		return -1;
	return 1;
}

int
queue_claim_make(struct queue *q, uint64_t number, const struct queue_worker *w,
		 struct queue_claim **c, struct err *e)
{
	struct queue_cell cell;

	*c = NULL;
	if (queue_find(q, number, &cell, e) < 0)
		return -1;
	struct queue_claim *claim =
	    queue_claim_new((struct queue_claim_id){number, cell.attempt + 1}, e);
	if (claim == NULL)
		return -1;
	int status = claim_task(q, &cell, w, claim, e);
	if (status == 1)
		*c = claim;
	else
		queue_claim_free(claim);
	return status;
}

json_t *
queue_claimed(struct queue *q, struct queue_claim_id claim, struct err *e)
{
	struct queue_cell cell;
	char id[QUEUE_ID];
	struct err why;

	if (queue_find(q, claim.number, &cell, &why) < 0) {
		/* Whoever comes much too late is told the same as who comes too late. */
		if (why.code == ERR_EXPIRED)
			err_set(e, ERR_BAD_STATE, "the claim is over: %s", why.message);
		else if (e != NULL)
			*e = why;
		return NULL;
	}
	if (queue_state_held((enum queue_state)cell.state) && cell.attempt == claim.attempt)
		return queue_read(q, &cell, false, e);
	err_set(e, ERR_BAD_STATE, "the claim %s is over: the task is %s",
		queue_format_id(q->name, claim, id),
		queue_state_name((enum queue_state)cell.state));
	err_hint(e, "its lease ended, or somebody cancelled it; leave it alone");
	return NULL;
}

/* Alter ${task}, which may be NULL, and end the transaction. */
static int
end_alteration(struct queue *q, json_t *task, queue_alteration *alter, void *arg, bool durable,
	       struct err *e)
{
	int status = task == NULL ? -1 : alter(q, task, arg, e);

	json_decref(task);
	return queue_end(q, status, durable, e);
}

int
queue_alter(struct queue *q, struct queue_claim_id claim, queue_alteration *alter, void *arg,
	    bool durable, struct err *e)
{
	if (queue_begin(q, e) < 0)
		return -1;
	return end_alteration(q, queue_claimed(q, claim, e), alter, arg, durable, e);
}

int
queue_alter_task(struct queue *q, uint64_t number, queue_alteration *alter, void *arg,
		 struct err *e)
{
	struct queue_cell cell;
	json_t *task = NULL;

	if (queue_begin(q, e) < 0)
		return -1;
	if (queue_find(q, number, &cell, e) == 0)
		task = queue_read(q, &cell, false, e);
	return end_alteration(q, task, alter, arg, true, e);
}

/* Write ${task}, whose claim has ended. */
static int
write_ended(struct queue *q, json_t *task, struct err *e)
{
	if (queue_change(q, task, false, e) < 0 || queue_write(q, 0, e) < 0)
		return -1;
	queue_drop_secrets(q, task);
	queue_running_remove(q, (uint64_t)task_number(task));
	return 0;
}

static int
finish_task(struct queue *q, json_t *task, void *arg, struct err *e)
{
	return queue_rule_finish(task, arg, e) < 0 ? -1 : write_ended(q, task, e);
}

/* Has ${claim} ended before as ${o} says, and durably so? */
static bool
is_finished(struct queue *q, struct queue_claim_id claim, const struct queue_outcome *o)
{
	struct queue_cell cell;

	if (queue_refresh(q, NULL) < 0 || queue_find(q, claim.number, &cell, NULL) < 0)
		return false;
	json_t *task = queue_read(q, &cell, false, NULL);
	bool finished = task != NULL && queue_rule_finished(task, claim.attempt, o);
	json_decref(task);
	return finished && queue_journal_sync(&q->journal, q->index.head.end, NULL) == 0;
}

int
queue_finish(struct queue *q, struct queue_claim_id claim, const struct queue_outcome *o,
	     struct err *e)
{
	void *arg = (void *)(uintptr_t)o;
	struct err why;
	int status = queue_alter(q, claim, finish_task, arg, !o->forgettable, &why);

	/* An index that led astray is made anew, once. */
	if (status < 0 && q->index.distrusted)
		status = queue_alter(q, claim, finish_task, arg, !o->forgettable, &why);
	if (status < 0 && why.code == ERR_BAD_STATE && is_finished(q, claim, o))
		return 0;
	if (status < 0 && e != NULL)
		*e = why;
	return status;
}

struct beat {
	int64_t lease;
	const char *progress;
};

static int
beat_task(struct queue *q, json_t *task, void *arg, struct err *e)
{
	const struct beat *b = arg;
	int64_t lease = b->lease;

	json_t *attempt = queue_task_last_attempt(task);
	int64_t known = attempt_lease(attempt);
	if (lease == 0)
		lease = known > 0 ? known : QUEUE_LEASE_MS; /* a record may not say it */
	if (queue_running_extend(q, (uint64_t)task_number(task), lease, e) < 0)
		return -1;
	if (b->progress == NULL && lease == known)
		return 0;
	if (attempt != NULL && attempt_set_lease(attempt, lease) < 0)
		return err_memory(e);
	if (b->progress != NULL &&
	    queue_task_set_reason(task, task_set_progress, b->progress, e) < 0)
		return -1;
	return queue_change(q, task, false, e);
}

int
queue_beat(struct queue *q, struct queue_claim_id claim, int64_t lease, const char *progress,
	   struct err *e)
{
	struct beat b = {lease, progress};

	if (lease != 0 && queue_check_lease(lease, e) < 0)
		return -1;
	return queue_alter(q, claim, beat_task, &b, false, e);
}

struct control {
	enum queue_event event;
	const char *reason;
};

static int
control_task(struct queue *q, json_t *task, void *arg, struct err *e)
{
	const struct control *c = arg;

	int changed = queue_rule_control(task, c->event, c->reason, e);
	if (changed <= 0)
		return changed;
	if (c->event == QUEUE_CANCEL)
		return write_ended(q, task, e);
	return queue_change(q, task, false, e);
}

int
queue_control(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
	      struct err *e)
{
	struct control c = {event, reason};

	return queue_alter_task(q, number, control_task, &c, e);
}

struct tending {
	struct queue *queue;
	struct err *e;
};

/* The claim on task ${number} has lapsed. */
static int
tend_claim(void *arg, uint64_t number, enum queue_lapse why)
{
	const struct tending *t = arg;
	struct queue *q = t->queue;
	struct queue_cell cell;

	if (queue_find(q, number, &cell, NULL) < 0 ||
	    !queue_state_held((enum queue_state)cell.state)) {
		queue_running_remove(q, number);
		return 0;
	}
	json_t *task = queue_read(q, &cell, false, t->e);
	if (task == NULL)
		return -1;
	int status = queue_rule_lose(task, &q->config, why == QUEUE_WORKER_DIED, t->e);
	if (status >= 0)
		status = write_ended(q, task, t->e);
	json_decref(task);
	return status;
}

int
queue_tend_claims(struct queue *q, struct err *e)
{
	struct tending t = {q, e};

	return queue_running_lapsed(q, tend_claim, &t, e);
}
