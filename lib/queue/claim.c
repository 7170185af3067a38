/* queue_claim - who has a task: its file in running/, and what ends the claim. */
#include "queue/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "queue/private.h"

#define ATTEMPTS_KEPT 20 /* in the record; the journal has all */

#define LEASE_MAX ((int64_t)366 * 86400 * 1000)

int
queue_check_lease(int64_t lease, struct err *e)
{
	if (lease >= 1 && lease <= LEASE_MAX)
		return 0;
	return err_set(e, ERR_USAGE, "a lease lasts a millisecond to a year");
}

static void
name_of(uint64_t number, char name[32])
{
	(void)snprintf(name, 32, "%llu", (unsigned long long)number);
}

/* The lease of the claim in ${fd} ends at ${ms}: that is the time of its file. */
static int
set_lease(int fd, int64_t ms, struct err *e)
{
	struct timespec t = clock_timespec(ms);

	return futimens(fd, (struct timespec[]){t, t}) < 0 ? err_sys(e, "cannot set a lease") : 0;
}

/* Make the file of the claim: executable if it ends with whoever holds its lock.  What is in it is
 * for people; on a full disk they do without. */
static int
make_file(struct queue *q, const struct queue_worker *w, struct queue_claim *c, struct err *e)
{
	char name[32], text[160];

	name_of(c->id.number, name);
	(void)unlinkat(q->runningfd, name, 0); /* of an earlier claim that ended */
	int fd = openat(q->runningfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			w->held ? 0700 : 0600);
	if (fd < 0)
		return err_sys(e, "cannot claim task %s.%s", q->name, name);
	int n = snprintf(text, sizeof text, "%u %.120s\n", c->id.attempt, w->name);
	if ((w->held && flock(fd, LOCK_EX | LOCK_NB) < 0) ||
	    (write(fd, text, (size_t)n) != n && errno != ENOSPC && errno != EDQUOT)) {
		err_sys(e, "cannot claim task %s.%s", q->name, name);
		goto err1;
	}
	if (set_lease(fd, clock_now() + w->lease, e) < 0)
		goto err1;
	c->fd = fd;
	return 0;
err1:
	file_close(fd);
	return -1;
}

void
queue_forget_claim(struct queue *q, uint64_t number)
{
	char name[32];

	name_of(number, name);
	(void)unlinkat(q->runningfd, name, 0); /* one too many is removed by queue_tend */
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

/* A new attempt in the record. */
static int
begin_attempt(json_t *task, const struct queue_worker *w, uint32_t attempt, struct err *e)
{
	char now[CLOCK_TEXT];
	json_t *attempts = json_object_get(task, "attempts");

	if (attempts == NULL) {
		attempts = json_array();
		if (json_object_set_new(task, "attempts", attempts) < 0)
			return err_memory(e);
	}
	(void)queue_attempt_end(task, "lost", NULL, e); /* its end was, with a damaged line */
	while (json_array_size(attempts) >= ATTEMPTS_KEPT)
		(void)json_array_remove(attempts, 0);
	json_t *one = json_pack("{sI ss sI}", "attempt", (json_int_t)attempt, "startedAt",
				clock_format(clock_now(), now), "leaseMs", (json_int_t)w->lease);
	if (one == NULL || jsonx_set(one, "worker", w->name) < 0 ||
	    json_array_append_new(attempts, one) < 0 ||
	    json_object_set_new(task, "attempt", json_integer(attempt)) < 0)
		return err_memory(e);
	return 0;
}

/* What there was to do is not known any more. */
static int
quarantine(struct queue *q, json_t *task, struct err *e)
{
	static const char why[] = "its payload in the journal is damaged";

	return queue_attempt_end(task, "failed", why, e) < 0 ||
		       queue_set_error(task, "QUARANTINED", why, e) < 0 ||
		       queue_step(task, QUEUE_FAIL, e) < 0 || queue_change(q, task, false, e) < 0 ||
		       queue_write(q, 0, e) < 0
		   ? -1
		   : 0;
}

int
queue_claim_make(struct queue *q, uint64_t number, const struct queue_worker *w,
		 struct queue_claim **claim, struct err *e)
{
	struct queue_cell cell;
	int status = -1;

	*claim = NULL;
	if (queue_find(q, number, &cell, e) < 0)
		return -1;
	const struct queue_claim_id id = {number, cell.attempt + 1};
	struct queue_claim *c = queue_claim_new(id, e);
	if (c == NULL)
		return -1;
	c->task = queue_read(q, &cell, true, e);
	if (c->task != NULL) { /* of the attempt before */
		(void)json_object_del(c->task, "error");
		(void)json_object_del(c->task, "progress");
	}
	if (c->task == NULL || queue_step(c->task, QUEUE_TAKE, e) < 0 ||
	    begin_attempt(c->task, w, id.attempt, e) < 0 || queue_set_time(c->task, 0, e) < 0)
		goto out;
	if (json_object_get(c->task, "payload") == NULL)
		status = quarantine(q, c->task, e);
	else if (make_file(q, w, c, e) == 0 && queue_change(q, c->task, false, e) == 0)
		status = 1;
out:
	if (status == 1)
		*claim = c;
	else
		queue_claim_free(c);
	return status;
}

json_t *
queue_claimed(struct queue *q, struct queue_claim_id claim, struct err *e)
{
	struct queue_cell cell;
	char id[QUEUE_ID];
	struct err why;

	if (queue_find(q, claim.number, &cell, &why) < 0) {
		/* Who comes so late is told the same as who comes late. */
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

/* When the next retry may begin. */
static int64_t
retry_time(const json_t *task)
{
	int64_t failed = jsonx_number(task, "failures", 0); /* with this one */
	int64_t wait = jsonx_number(task, "backoff", 10);

	for (int64_t i = 1; i < failed && wait < 86400; i++)
		wait *= 2;
	return clock_now() + wait * 1000;
}

/* A failure is tried again, or not: the event that it comes to. */
static int
count_failure(json_t *task, const struct queue_outcome *o, enum queue_event *event, struct err *e)
{
	int64_t failed = jsonx_number(task, "failures", 0) + 1;

	if (json_object_set_new(task, "failures", json_integer(failed)) < 0)
		return err_memory(e);
	if (o->last || failed > jsonx_number(task, "retries", 0))
		return 0;
	*event = QUEUE_RETRY;
	return queue_set_time(task, retry_time(task), e);
}

static const char *const outcomes[QUEUE_EVENTS] = {
    [QUEUE_COMPLETE] = "completed", [QUEUE_FAIL] = "failed",        [QUEUE_TIME_OUT] = "timed_out",
    [QUEUE_RETURN] = "returned",    [QUEUE_LIMIT] = "rate_limited", [QUEUE_LOSE] = "unknown",
    [QUEUE_CANCEL] = "cancelled",
};

static int
note_outcome(json_t *task, const struct queue_outcome *o, struct err *e)
{
	if (o->result != NULL &&
	    json_dumpb(o->result, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > QUEUE_RESULT) {
		err_set(e, ERR_TOO_LARGE, "the result has more than %d bytes", QUEUE_RESULT);
		return err_hint(e, "put it into a file, and name that");
	}
	json_t *attempts = json_object_get(task, "attempts");
	json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);

	if (queue_attempt_end(task, outcomes[o->event], o->message, e) < 0)
		return -1;
	if (o->exit >= 0 && last != NULL &&
	    json_object_set_new(last, "exit", json_integer(o->exit)) < 0)
		return err_memory(e);
	if (o->result != NULL && json_object_set(task, "result", o->result) < 0)
		return err_memory(e);
	if (o->event == QUEUE_COMPLETE || (o->code == NULL && o->message == NULL))
		return 0;
	return queue_set_error(task, o->code == NULL ? outcomes[o->event] : o->code, o->message, e);
}

/* Change ${task}, whose claim ends so. */
static int
end_claim(struct queue *q, json_t *task, const struct queue_outcome *o, struct err *e)
{
	enum queue_event event = o->event;

	if (note_outcome(task, o, e) < 0)
		return -1;
	queue_drop_secrets(q, task);
	if ((event == QUEUE_FAIL || event == QUEUE_TIME_OUT) &&
	    count_failure(task, o, &event, e) < 0)
		return -1;
	if (event == QUEUE_LIMIT && queue_set_time(task, clock_now() + o->pause, e) < 0)
		return -1;
	return queue_step(task, event, e) < 0 ? -1 : queue_change(q, task, false, e);
}

static int
finish(struct queue *q, struct queue_claim_id claim, const struct queue_outcome *o, struct err *e)
{
	if (queue_begin(q, e) < 0)
		return -1;
	json_t *task = queue_claimed(q, claim, e);
	int status = task == NULL ? -1 : end_claim(q, task, o, e);
	json_decref(task);
	if (status < 0 || queue_write(q, 0, e) < 0) {
		queue_abort(q);
		return -1;
	}
	queue_forget_claim(q, claim.number);
	return queue_end(q, !o->forgettable, e);
}

int
queue_finish(struct queue *q, struct queue_claim_id claim, const struct queue_outcome *o,
	     struct err *e)
{
	int status = finish(q, claim, o, e);

	return status < 0 && q->index.distrusted ? finish(q, claim, o, e) : status;
}

int
queue_beat(struct queue *q, struct queue_claim_id claim, int64_t lease, const char *progress,
	   struct err *e)
{
	char name[32];
	int status = -1;

	if (queue_check_lease(lease, e) < 0 || queue_begin(q, e) < 0)
		return -1;
	name_of(claim.number, name);
	json_t *task = queue_claimed(q, claim, e);
	int fd = task == NULL ? -1 : openat(q->runningfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (task != NULL && fd < 0)
		err_sys(e, "cannot extend the lease of %s.%s", q->name, name);
	if (fd < 0 || set_lease(fd, clock_now() + lease, e) < 0)
		goto out;
	if (progress != NULL && (queue_set_reason(task, "progress", progress) < 0 ||
				 queue_change(q, task, false, e) < 0))
		goto out;
	status = 0;
out:
	file_close(fd);
	json_decref(task);
	if (status == 0)
		return queue_end(q, false, e);
	queue_abort(q);
	return -1;
}

const char *
queue_claim_lapsed(const struct queue *q, const char *name, bool *died)
{
	struct stat st;

	*died = false;
	int fd = openat(q->runningfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0) {
		file_close(fd);
		return NULL;
	}
	*died = (st.st_mode & S_IXUSR) != 0 && flock(fd, LOCK_SH | LOCK_NB) == 0;
	file_close(fd);
	if (*died)
		return "its worker died";
	int64_t ends = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return clock_now() > ends ? "its lease ended" : NULL;
}

/* The claim on ${task} was lost: it is run again, or ends as the queue's policy has it. */
static int
lose(struct queue *q, json_t *task, const char *why, bool died, struct err *e)
{
	int64_t most = jsonx_number(task, "maxDeaths", q->config.max_deaths);
	int64_t deaths = jsonx_number(task, "deaths", 0) + 1;
	struct queue_outcome o = {.event = q->config.recovery, .message = why, .exit = -1};
	char text[80];

	if (json_object_set_new(task, "deaths", json_integer(deaths)) < 0)
		return err_memory(e);
	(void)queue_recovery_named(jsonx_text(task, "recovery", ""), &o.event, NULL);
	o.last = true; /* a failure by policy is one */
	if (o.event == QUEUE_FAIL)
		o.code = died ? "WORKER_DIED" : "LEASE_ENDED";
	if (o.event == QUEUE_RETURN && most > 0 && deaths >= most) {
		(void)snprintf(text, sizeof text, "%s; that was the case %lld times", why,
			       (long long)deaths);
		o.event = QUEUE_FAIL;
		o.code = "QUARANTINED";
		o.message = text;
	}
	return end_claim(q, task, &o, e);
}

/* Look at the claim ${name}. */
static int
tend_claim(struct queue *q, const char *name, struct err *e)
{
	struct queue_cell cell;
	bool died;

	uint64_t number = strtoull(name, NULL, 10);
	if (number == 0)
		return 0;
	const char *why = queue_claim_lapsed(q, name, &died);
	if (why == NULL)
		return 0;
	if (queue_find(q, number, &cell, NULL) < 0 ||
	    !queue_state_held((enum queue_state)cell.state)) {
		queue_forget_claim(q, number);
		return 0;
	}
	json_t *task = queue_read(q, &cell, false, e);
	int status = task == NULL || lose(q, task, why, died, e) < 0 ? -1 : queue_write(q, 0, e);
	json_decref(task);
	if (status == 0)
		queue_forget_claim(q, number);
	return status;
}

/* Have a file for task ${number}, which a worker had. */
static int
restore_claim(struct queue *q, uint64_t number, struct err *e)
{
	char name[32];

	name_of(number, name);
	int fd = openat(q->runningfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : err_sys(e, "cannot restore a claim");
	int status = set_lease(fd, 0, e);
	file_close(fd);
	return status;
}

struct restoring {
	struct queue *queue;
	struct err *e;
};

static int
restore_block(void *arg, uint64_t number, const struct queue_block *b)
{
	const struct restoring *r = arg;
	unsigned held = b->states[QUEUE_RUNNING] + b->states[QUEUE_WAITING_ANSWER];

	for (uint64_t n = number * QUEUE_CELLS + 1; held > 0 && n <= (number + 1) * QUEUE_CELLS;
	     n++) {
		const struct queue_cell *c = queue_index_cell(&r->queue->index, n, r->e);
		if (c == NULL)
			return -1;
		if (!queue_state_held((enum queue_state)c->state))
			continue;
		held--;
		if (restore_claim(r->queue, n, r->e) < 0)
			return -1;
	}
	return 0;
}

int
queue_restore_claims(struct queue *q, struct err *e)
{
	struct restoring r = {q, e};

	return queue_index_blocks(&q->index, restore_block, &r, e);
}

int
queue_tend_claims(struct queue *q, struct err *e)
{
	const struct dirent *entry;
	int status = 0;

	int copy = openat(q->runningfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return err_sys(e, "cannot read running/");
	}
	while (status == 0 && (entry = readdir(dir)) != NULL)
		status = tend_claim(q, entry->d_name, e);
	(void)closedir(dir);
	return status;
}
