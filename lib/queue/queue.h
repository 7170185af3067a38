/*
 * queue - what is to be done, by whom, in which order, and what became of it.
 *
 *	queue/<name>/journal/        every change, in order: the truth (queue_journal)
 *	queue/<name>/head cells ...  where the tasks are: made from it (queue_index)
 *	queue/<name>/running/<n>     who has task n; its time is when the lease ends
 *	queue/<name>/keys/<key>      a link to the number of the task that was put with this key
 *	queue/<name>/dependants/<n>  the numbers of tasks that may wait for task n
 *	queue/<name>/readers/<name>  what a reader has seen (queue_reader)
 *	queue/<name>/bell/           touched when a task may be taken
 *	queue/<name>/retired         from where the journal is kept
 *	queue/<name>/config.json     {"width", "lane", "lanes", "maxDeaths", "recovery",
 *"retention"}
 *
 * A task is called <queue>.<number>, and a claim on it <queue>.<number>.<attempt>.  The protocol:
 *
 *  1. Whoever changes the queue holds flock on head from reading the index to writing it.
 *  2. A change is one line of the journal, with the whole task as it is then but for its payload,
 *     which only its first line has.  Every line has the queue's next version.
 *  3. What was promised to the caller is durable: the journal is synced after the lock was let go.
 *     A worker's claim is not: if it is lost with the power, so is the worker.  Before a worker
 *     that may outlive this machine is told of its claim, queue_claim_sync is called.
 *  4. A claim has a number, its attempt, and a lease.  When the lease ends, or the process that
 *     holds flock on running/<n> dies, whoever takes next returns the task; the attempt is then not
 *     the task's last one any more, so that a worker that comes back can change nothing.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "queue/state.h"

#define QUEUE_NAME 64         /* longest queue name, bytes */
#define QUEUE_ID 96           /* bytes of a task's or a claim's id with its NUL */
#define QUEUE_LEASE_MS 60000  /* of a claim, where nothing else is said */
#define QUEUE_PAYLOAD 1000000 /* longest payload as JSON text, bytes */
#define QUEUE_RESULT 500000   /* longest result as JSON text, bytes */
#define QUEUE_REASON 1000     /* of a reason so much is kept, bytes */

struct queue;
struct queue_reader;

/* Call ${each} with the name of every queue, in order, until it returns non-zero, which is
 * returned; -1 with ${e} on failure. */
int queue_each(int (*each)(void *arg, const char *name), void *arg, struct err *e);

/* Open queue ${name}; ${create} it if there is none, else that is ERR_NOT_FOUND.  An open queue
 * serves one thread of one process. */
struct queue *queue_open(const char *name, bool create, struct err *e);
void queue_close(struct queue *q);

const char *queue_name(const struct queue *q);

/* Call ${each} with the name of every queue, in order, until it returns non-zero, which is
 * returned. */
int queue_names(int (*each)(void *arg, const char *name), void *arg, struct err *e);

/* The directory in which something is written when a task may be taken; to be watched. */
int queue_bell(const struct queue *q, char *path, size_t size, struct err *e);

/* The directory in which the head is written after every change, when it can be seen. */
int queue_changes_path(const struct queue *q, char *path, size_t size, struct err *e);

/*
 * To put a task.
 *
 * What is asked for is an object: "payload" (any JSON), and if you like "priority" (0 to 9, which
 * is the most urgent), "lane", "labels" (strings), "key", "unique" (true: nothing is put while a
 * task with this key has not ended), "dependsOn" (ids), "afterFailure" (true: run even if one of
 * those ends badly), "notBefore" (RFC 3339), "timeout" (seconds), "retries", "backoff" (seconds
 * before the first retry, doubled for each), "requires" (capabilities of the worker), "session",
 * "recovery" (retry, fail or unknown), "tenant".
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

/*
 * To work.
 */
struct queue_worker {
	const char *name;                /* who, for the record */
	int64_t lease;                   /* ms, as long as the claim holds without a beat, from 1 */
	bool held;                       /* the claim ends with the process that holds .fd, too */
	const char *const *capabilities; /* NULL-terminated, of what tasks may require; or NULL */
	const char *tenant;              /* whose tasks it takes; NULL: everybody's */
};

struct queue_claim {
	uint64_t number;
	uint32_t attempt;
	int fd;       /* holds the claim if it is held, else -1 */
	uint64_t end; /* of the journal, with the claim */
	json_t *task; /* with its payload */
};

/* Claim the most urgent task, of those the oldest; not yet durable, see above.  Returns 1, 0 if
 * there is none, -1.  *${next} (may be NULL): when one becomes due by itself, ms since 1970, or 0.
 */
int queue_take(struct queue *q, const struct queue_worker *w, struct queue_claim *c, int64_t *next,
	       struct err *e);

/* What becomes of a task whose worker died or let its lease end: QUEUE_RETURN ("retry", it is run
 * again), QUEUE_FAIL ("fail") or QUEUE_LOSE ("unknown").  That is what config.json says unless it
 * is set here, for what is found through ${q}; a task may have a "recovery" of its own. */
enum queue_event queue_recovery(const struct queue *q);
void queue_set_recovery(struct queue *q, enum queue_event event);

/* The event that the word ${text} stands for; ERR_CONFIG if it is none of the three. */
int queue_recovery_named(const char *text, enum queue_event *event, struct err *e);

/* Let go of what the claim holds in this process; it says nothing about the task. */
void queue_claim_free(struct queue_claim *c);

/* Make the claim durable, which may have been taken by another process. */
int queue_claim_sync(struct queue *q, const struct queue_claim *c, struct err *e);

/* What became of a claim. */
struct queue_outcome {
	enum queue_event event; /* QUEUE_COMPLETE, _FAIL, _TIME_OUT, _RETURN, _LIMIT, _LOSE */
	json_t *result;         /* borrowed; NULL: none */
	const char *code;       /* of an error, or NULL */
	const char *message;    /* why; NULL: nothing is known */
	int exit;               /* status of the command, -1: there was none */
	int64_t pause;          /* QUEUE_LIMIT: ms until it may be taken again */
	bool last;              /* QUEUE_FAIL: no retry, whatever is left */
	bool forgettable;       /* whoever takes the task again will see that it is over */
};

/* End the claim ${number}.${attempt}, durable when this returns, unless it is forgettable.
 * ERR_BAD_STATE if it is lost: the lease ended, or somebody cancelled the task. */
int queue_finish(struct queue *q, uint64_t number, uint32_t attempt, const struct queue_outcome *o,
		 struct err *e);

/* The claim is alive: its lease ends in ${lease} ms from now. ${progress} (may be NULL) is shown.
 * ERR_BAD_STATE if it is lost. */
int queue_beat(struct queue *q, uint64_t number, uint32_t attempt, int64_t lease,
	       const char *progress, struct err *e);

/*
 * For people.
 */

/* QUEUE_CANCEL, QUEUE_PAUSE, QUEUE_RESUME or QUEUE_RETRY for task ${number}; durable. */
int queue_order(struct queue *q, uint64_t number, enum queue_event event, const char *reason,
		struct err *e);

/*
 * For who tidies up, now and then.
 */

/* Return what lapsed, and let what is due be taken; 0.  queue_take does this by itself. */
int queue_tend(struct queue *q, struct err *e);

/* What queue_retire did, or would do. */
struct queue_retired {
	uint64_t tasks;     /* that were forgotten */
	uint64_t rewritten; /* that go on, and lay among those */
	uint64_t segments;  /* of the journal that were removed */
};

/* Forget tasks that ended more than ${age} ms ago: their lines, keys, outputs and directories.
 * ${age} -1: the queue's retention, which is "retention" in its config.json (seconds), else
 * AWCP_TASK_RETENTION (a span such as 7d), else a week.  A task that another one waits for, or may
 * wait for, is kept as long; and all are forgotten a segment of the journal at a time, up to an
 * eighth of ${age} later.  No more than ${max} changes are looked at, from 1, and the lock is held
 * for a few of them at a time; whoever is killed amid this has lost nothing.  ${dry}: only count.
 * Adds to *${done}.  Returns 1 if there is more to do now, 0 if that was all, -1. */
int queue_retire(struct queue *q, int64_t age, size_t max, bool dry, struct queue_retired *done,
		 struct err *e);

/* Is there something for queue_tend to do?  Returns how many claims lapsed, and blocks of tasks
 * have one that is due; -1 on failure.  Waits for no lock. */
int64_t queue_due(struct queue *q, struct err *e);

/*
 * To look.  None of these waits for a lock.
 */

/* Split "<queue>.<number>[.<attempt>]" into its parts; *${attempt} is 0
 * if it has none.  ERR_USAGE for anything else. */
int queue_parse_id(const char *id, char queue[QUEUE_NAME + 1], uint64_t *number, uint32_t *attempt,
		   struct err *e);

/* True if ${name} is what people call a task, such as "brave-otter-17"; *${number} is its own. */
bool queue_is_name(const char *name, uint64_t *number);

/* Task ${number} as it is now; a new reference, or NULL and ERR_NOT_FOUND, or ERR_EXPIRED if it is
 * not kept any more. */
json_t *queue_show(struct queue *q, uint64_t number, struct err *e);

/* Open what the command of task ${number} printed, in its last attempt; *${over}: the task has
 * ended, or there is none.  ERR_NOT_FOUND if it printed nothing (yet). */
int queue_output(struct queue *q, uint64_t number, bool *over, struct err *e);

/* The version of the last change. */
int queue_version(struct queue *q, uint64_t *version, struct err *e);

struct queue_filter {
	uint32_t states; /* bits 1 << enum queue_state; 0: all that have not ended */
	const char *lane, *key, *session, *tenant; /* NULL: any */
	const char *const *labels;                 /* NULL-terminated, all of them; or NULL */
	uint64_t after;                            /* number: those behind it */
	const struct queue_reader *reader;         /* sets "mark" of each, see queue_reader.h */
	uint32_t marks;                            /* bits 1 << enum queue_mark; 0: any */
	bool payload;
};

/* Call ${each} with the tasks that ${f} lets through, in order of number, until it returns
 * non-zero, which is returned.  A line that cannot be read is passed over. */
int queue_list(struct queue *q, const struct queue_filter *f,
	       int (*each)(void *arg, const json_t *task), void *arg, struct err *e);

/* Call ${each} with the changes after version ${since}, in order, as queue_list does; 0: all that
 * are kept.  ERR_EXPIRED if they are not kept any more. */
int queue_changes(struct queue *q, uint64_t since, int (*each)(void *arg, const json_t *task),
		  void *arg, struct err *e);

/* {"queue", "version", "states": {…}, "oldest": time, "lastMinute", "lastHour", "lanes": [{"lane",
 * "states"}]}; a new reference.  Of ${tenant} (NULL: of all) only what has not ended is counted. */
json_t *queue_stats(struct queue *q, const char *tenant, struct err *e);

/* Compare the index with the journal; call ${report} with each line about what is wrong. ${repair}:
 * make it anew.  Returns how many were wrong, or -1. */
int queue_check(struct queue *q, bool repair, void (*report)(void *arg, const char *text),
		void *arg, struct err *e);

#endif
