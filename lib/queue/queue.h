/*
 * queue - what is to be done, by whom, in which order, and what became of it.
 *
 * This is all that the users of a queue see: tasks as JSON (members.h), ids, claims, versions and
 * waiters, but no path, lock or offset.  A store of another kind, in a database or behind HTTP,
 * provides the same functions.  It needs
 *
 *  - transactions: a change of several tasks happens as a whole or not at all, one after the other,
 *    and each changed task gets the next version of the queue;
 *  - for each task its newest record, for each key the task that used it last, and for each task
 *    those that depend on it;
 *  - the tasks that may be taken next: pending, by priority and then by number;
 *  - claims that end at a time, so that at most one claim on a task is valid;
 *  - a wake-up for those who wait for a task, or for a change.
 *
 * What a task may do next, in which order tasks run, and what lanes, keys, dependencies, retries
 * and lost claims mean are the rules: functions on records that know of no storage (rules.h,
 * state.h).  A store selects records, applies the rules and commits.
 *
 * The store here keeps plain files:
 *
 *	queue/<name>/journal/        every change, in order: the truth (journal.h)
 *	queue/<name>/head cells ...  where the tasks are, derived from the journal (index.h)
 *	queue/<name>/running/<n>     who has task n; its modification time is the end of the lease
 *	queue/<name>/workers/<hash>  what a worker of late is capable of (worker.c)
 *	queue/<name>/keys/<key>      a link to the number of the task that was put with this key
 *	queue/<name>/dependants/<n>  the numbers of tasks that may wait for task n
 *	queue/<name>/readers/<name>  what a reader has seen (reader.h)
 *	queue/<name>/bell/           written to when a task may be taken
 *	queue/<name>/retired         where the journal begins
 *	queue/<name>/config.json     see members.h
 *
 * A task is called <queue>.<number>, and a claim on it <queue>.<number>.<attempt>.  The protocol:
 *
 *  1. Whoever changes the queue holds flock on head from reading the index to writing it.
 *  2. A change is one line of the journal: the whole task as it is then, without its payload, which
 *     only its first line has.  Every line has the queue's next version.
 *  3. What was promised to the caller is durable: the journal is synced after the lock is released.
 *     A worker's claim is not: if it is lost in a power cut, so is the worker.  queue_claim_sync
 *     is called before a worker that may outlive this machine is told of its claim.
 *  4. A claim has a number, its attempt, and a lease, which goes by a clock that nobody sets
 *     (index.h).  When the lease ends, or the process that holds flock on running/<n> dies,
 *     whoever takes next returns the task.  That attempt is then
 *     no longer the task's last one, so that a worker that comes back can change nothing.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "base/watch.h"
#include "queue/members.h"
#include "queue/state.h"

#define QUEUE_NAME 64         /* longest queue name, bytes */
#define QUEUE_ID 96           /* bytes of a task's or a claim's id with its NUL */
#define QUEUE_LEASE_MS 60000  /* default lease of a claim */
#define QUEUE_POLL_MS 1000    /* whoever waits looks by itself at least this often */
#define QUEUE_PAYLOAD 1000000 /* longest payload as JSON text, bytes */
#define QUEUE_RESULT 500000   /* longest result as JSON text, bytes */
#define QUEUE_REASON 1000     /* longest reason; a longer one is cut, bytes */

struct queue;
struct queue_reader;

/* Call ${each} with the name of every queue, in order, until it returns non-zero, which is
 * returned; -1 with ${e} on failure.  Whoever looks at all of them goes on after one that is
 * damaged. */
int queue_each(int (*each)(void *arg, const char *name), void *arg, struct err *e);

/* Is ${name} that of a queue: 1 to QUEUE_NAME letters, digits, _ and -, and no option of a command?
 */
bool queue_name_valid(const char *name);

/* Open queue ${name}; ${create} it if there is none, otherwise that is ERR_NOT_FOUND.  One that is
 * damaged is ERR_CONFIG, with its name.  An open queue serves one thread of one process. */
struct queue *queue_open(const char *name, bool create, struct err *e);
void queue_close(struct queue *q);

/* From now on nothing of ${q} is written, as where nothing can be: for who only examines it. */
void queue_look_only(struct queue *q);

const char *queue_name(const struct queue *q);

/* False if the queue was removed since it was opened; another one may have its name. */
bool queue_is_current(const struct queue *q);

/*
 * Names.
 */

/* A task, or a claim on it. */
struct queue_claim_id {
	uint64_t number;  /* of the task, from 1 */
	uint32_t attempt; /* from 1; 0: the task itself */
};

/* Split "<queue>.<number>[.<attempt>]" into its parts.  ERR_USAGE for anything else. */
int queue_parse_id(const char *id, char queue[QUEUE_NAME + 1], struct queue_claim_id *claim,
		   struct err *e);

/* The inverse: write the id of ${claim} on a task of ${queue} to ${out}, which is returned. */
const char *queue_format_id(const char *queue, struct queue_claim_id claim, char out[QUEUE_ID]);

/* True if ${name} is what people call a task, such as "brave-otter-17"; *${number} is its own. */
bool queue_is_name(const char *name, uint64_t *number);

/*
 * To put a task.
 *
 * What is asked for is an object with the members of the first part of members.h, of which only
 * the payload is required.
 */
enum queue_put { QUEUE_WAS_PUT, QUEUE_WAS_THERE };

struct queue_receipt {
	uint64_t number;
	enum queue_put how;
};

/* Put ${n} tasks, durable when this returns.  A key that was used before gives the task that it was
 * used for; with another payload that is ERR_KEY_REUSED.  *${done} is how many were put: ${n}, or
 * with -1 those before the one that failed. */
int queue_put(struct queue *q, json_t *const *asked, size_t n, struct queue_receipt *receipts,
	      size_t *done, struct err *e);

/* What has not ended: tasks, and about as many bytes of them. */
struct queue_load {
	uint64_t tasks, bytes;
};

/* Add to ${l} what ${tenant} has in ${q}. */
int queue_load(struct queue *q, const char *tenant, struct queue_load *l, struct err *e);

/*
 * To work.
 */
struct queue_worker {
	const char *name;                /* who, for the record */
	int64_t lease;                   /* ms that the claim holds without a beat, from 1 */
	bool held;                       /* the claim also ends with the last process that has it */
	const char *const *capabilities; /* NULL-terminated, of what tasks may require; or NULL */
	const char *tenant;              /* whose tasks it takes; NULL: everybody's */
};

struct queue_claim;

/* Claim the most urgent task, of those the oldest; not yet durable, see above.  Returns 1, 0 if
 * there is none, -1.  *${next} (may be NULL): when one becomes due by itself, ms since 1970, or 0.
 */
int queue_take(struct queue *q, const struct queue_worker *w, struct queue_claim **c, int64_t *next,
	       struct err *e);

struct queue_claim_id queue_claim_id(const struct queue_claim *c);

/* The task as it was claimed, with its payload; borrowed. */
json_t *queue_claim_task(const struct queue_claim *c);

/* True once somebody has ended a held claim, without asking the queue. */
bool queue_claim_ended(const struct queue_claim *c);

/* Free what the claim has in this process; that says nothing about the task, but ends a held claim
 * that no other process has.  NULL does nothing. */
void queue_claim_free(struct queue_claim *c);

/* Make the claim durable, which may have been taken by another process. */
int queue_claim_sync(struct queue *q, const struct queue_claim *c, struct err *e);

/* Hand the claim to the process at the other end of ${socket}, a Unix stream socket, where
 * queue_claim_receive makes a claim of it, or returns NULL at the end of the stream.  Both have it
 * then, until each frees its own. */
int queue_claim_send(const struct queue_claim *c, int socket, struct err *e);
struct queue_claim *queue_claim_receive(int socket);

/* What became of a claim. */
struct queue_outcome {
	enum queue_event event; /* QUEUE_COMPLETE, _FAIL, _TIME_OUT, _RETURN, _LIMIT, _LOSE */
	json_t *result;         /* borrowed; NULL: none */
	const char *code;       /* of an error, or NULL */
	const char *message;    /* why; NULL: nothing is known */
	int exit;               /* status of the command, -1: there was none */
	int64_t pause;          /* QUEUE_LIMIT: ms until it may be taken again */
	bool last;              /* QUEUE_FAIL: no retry, however many are left */
	bool forgettable;       /* need not be durable: whoever takes the task again sees that it
				 * is over */
};

/* End ${claim}, durable when this returns, unless it is forgettable.  To say the same again changes
 * nothing, and is well.  ERR_BAD_STATE if it is lost: the lease ended, or somebody cancelled the
 * task. */
int queue_finish(struct queue *q, struct queue_claim_id claim, const struct queue_outcome *o,
		 struct err *e);

/* The claim is alive: its lease ends in ${lease} ms from now, 0: in as many as were asked for last.
 * ${progress} (may be NULL) is shown.  ERR_BAD_STATE if it is lost. */
int queue_beat(struct queue *q, struct queue_claim_id claim, int64_t lease, const char *progress,
	       struct err *e);

/* What becomes of a task whose worker died or let its lease end: QUEUE_RETURN ("retry", it is run
 * again), QUEUE_FAIL ("fail") or QUEUE_LOSE ("unknown").  config.json says it, unless it is set
 * here for what is found through ${q}; a task may have a "recovery" of its own. */
enum queue_event queue_recovery(const struct queue *q);
void queue_set_recovery(struct queue *q, enum queue_event event);

/* The event that the word ${text} stands for; ERR_CONFIG if it is none of the three. */
int queue_recovery_named(const char *text, enum queue_event *event, struct err *e);

/* Where the job of task ${number} has its files on the worker's machine, below the state directory;
 * they are removed when the task is forgotten.  Written to ${path}, which is returned. */
#define QUEUE_JOB_PATH 160
const char *queue_job_path(const struct queue *q, uint64_t number, char path[QUEUE_JOB_PATH]);

/*
 * To wait.
 */
enum queue_news {
	QUEUE_TASK,  /* a task may be taken */
	QUEUE_CHANGE /* there is a new version */
};

/* Watch ${q}, which may be closed before it, for ${news}.  News before this call are not reported:
 * look at the queue afterwards, then wait, and look by yourself every QUEUE_POLL_MS. */
struct watch *queue_watch(const struct queue *q, enum queue_news news, struct err *e);

/* The ms to wait for QUEUE_TASK, where queue_take said that one is due at ${next}. */
int queue_pause(int64_t next);

/*
 * To control it.
 */

/* QUEUE_CANCEL, QUEUE_PAUSE, QUEUE_RESUME or QUEUE_RETRY for task ${number}, as a person wants it;
 * durable.  A second cancel changes nothing.  What was blocked by a task that is tried again waits
 * for it again. */
int queue_control(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
		  struct err *e);

/*
 * To tidy up, now and then.
 */

/* Return what lapsed, and let what is due be taken; 0.  queue_take does this by itself. */
int queue_tend(struct queue *q, struct err *e);

/* Is there something for queue_tend to do?  Returns how many claims lapsed, and blocks of tasks
 * have one that is due; -1 on failure.  Waits for no lock. */
int64_t queue_due(struct queue *q, struct err *e);

/* What queue_retire did, or would do. */
struct queue_retired {
	uint64_t tasks;     /* that were forgotten */
	uint64_t rewritten; /* that are kept, and lay among those */
	uint64_t segments;  /* of the journal that were removed */
};

/* Forget tasks that ended more than ${age} ms ago: their lines, keys, outputs and directories.
 * ${age} -1: the queue's retention, which is "retention" in its config.json (seconds), else
 * AWCP_TASK_RETENTION (a span such as 7d), else a week.  A task that another one waits for, or may
 * wait for, is kept as long; and all are forgotten a segment of the journal at a time, up to an
 * eighth of ${age} later.  At most ${max} changes are looked at, from 1, and the lock is held for a
 * few of them at a time; being killed meanwhile loses nothing.  ${dry}: only count.  Adds to
 * *${done}.  Returns 1 if there is more to do now, 0 if that was all, -1. */
int queue_retire(struct queue *q, int64_t age, size_t max, bool dry, struct queue_retired *done,
		 struct err *e);

/* Compare what is derived with the journal; call ${report} with each line about what is wrong.
 * ${repair}: derive it anew.  Returns how many were wrong, or -1. */
int queue_check(struct queue *q, bool repair, void (*report)(void *arg, const char *text),
		void *arg, struct err *e);

/*
 * To look.  None of these waits for a lock, and all work where nothing can be written.
 *
 * A task whose claim has lapsed is shown as QUEUE_LAPSED at once, though nothing has changed in the
 * journal yet, and one that no worker of late was capable of has "unfit", which says so.
 */

/* Task ${number} as it is now; a new reference, or NULL and ERR_NOT_FOUND, or ERR_EXPIRED if it is
 * not kept any more. */
json_t *queue_show(struct queue *q, uint64_t number, struct err *e);

/* Open what the command of task ${number} printed, in its last attempt; *${over}: the task has
 * ended, or there is none.  ERR_NOT_FOUND if it printed nothing (yet). */
int queue_output(struct queue *q, uint64_t number, bool *over, struct err *e);

/* The version of the last change. */
int queue_version(struct queue *q, uint64_t *version, struct err *e);

struct queue_filter {
	uint32_t states; /* bits 1 << enum queue_state, with QUEUE_LAPSED; 0: what has not ended */
	const char *lane, *key, *session, *tenant; /* NULL: any */
	const char *const *labels;                 /* NULL-terminated, all of them; or NULL */
	uint64_t after;                            /* number: those after it */
	const struct queue_reader *reader;         /* sets "mark" of each, see reader.h */
	uint32_t marks;                            /* bits 1 << enum queue_mark; 0: any */
	bool payload;
	bool unfit; /* only those that no worker fits */
};

#define QUEUE_ALL_STATES (~(uint32_t)1) /* for .states */

/* Let ${f} select the state ${name}, too, or with "all" every one; -1 if there is none. */
int queue_filter_state(struct queue_filter *f, const char *name);

/* Call ${each} with the tasks that ${f} selects, in order of number, until it returns non-zero,
 * which is returned.  A task whose lines are damaged is left out. */
int queue_list(struct queue *q, const struct queue_filter *f,
	       int (*each)(void *arg, const json_t *task), void *arg, struct err *e);

/* Call ${each} with the changes after version *${since} that ${f} selects (NULL: all), in order, as
 * queue_list does; without .states that is every one.  *${since} is the version of the last one
 * that was looked at; 0: all that are kept.  ERR_EXPIRED if they are not kept any more. */
int queue_changes(struct queue *q, const struct queue_filter *f, uint64_t *since,
		  int (*each)(void *arg, const json_t *task), void *arg, struct err *e);

/* {"queue", "version", "states": {…}, "oldest": time, "lastMinute", "lastHour", "lanes": [{"lane",
 * "states"}]}; a new reference.  Of ${tenant} (NULL: of all) only what has not ended is counted. */
json_t *queue_stats(struct queue *q, const char *tenant, struct err *e);

#endif
