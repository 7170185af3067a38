/*
 * queue/private - what an open queue has, and what the files that store it do for each other.
 */
#ifndef QUEUE_PRIVATE_H
#define QUEUE_PRIVATE_H

#include "queue/index.h"
#include "queue/journal.h"
#include "queue/reader.h"
#include "queue/rules.h"

#define QUEUE_BATCH 4096 /* changes of one queue_write */

/* See workers.c. */
struct queue_workers {
	struct {
		uint64_t hash; /* of what is in a file */
		int64_t at;    /* clock_steady: noted then */
	} noted[4];
	json_t *seen;    /* the content of all files; NULL: not read yet */
	int64_t seen_at; /* clock_steady */
};

struct queue {
	char name[QUEUE_NAME + 1];
	int dirfd, journaldirfd, runningfd, keysfd, dependantsfd, bellfd;
	struct queue_config config;
	struct queue_journal journal;
	struct queue_index index;
	struct buf lines; /* of the change in the making */
	struct {
		json_t *task;
		size_t offset; /* in lines */
		bool put;      /* its first line, with the payload */
	} change[QUEUE_BATCH];
	size_t changes;
	/* Tasks that ended since queue_begin, or are to be done again, for which others may wait.
	 */
	uint64_t *ended;
	size_t ended_count, ended_cap;
	bool ring; /* something may be taken now */
	struct queue_workers workers;
};

/* The object in ${line} to *${o}, a new reference; NULL if the line is damaged.  -1 if memory is
 * out: who takes that for damage loses a task. */
int queue_parse(const struct buf *line, json_t **o, struct err *e);

/* Read the task of ${cell}, with its payload or without; a new reference or NULL. */
json_t *queue_read(struct queue *q, const struct queue_cell *cell, bool payload, struct err *e);

/* ${e} is about a file of ${q} that is not as it must be: ERR_CONFIG, with the queue's name; what
 * is no damage stays as it is.  -1. */
int queue_damaged(const struct queue *q, struct err *e);

/* A copy of the cell of task ${number}; ERR_NOT_FOUND if there is none, ERR_EXPIRED if it is not
 * kept any more. */
int queue_find(struct queue *q, uint64_t number, struct queue_cell *cell, struct err *e);

/*
 * transaction.c: a change of the queue as a whole.
 *
 * It is made between queue_begin and queue_end (see change.c below).  queue_end lets the
 * consequences follow (tasks that waited for one that ended), makes it durable and wakes those who
 * wait.  After a failure in between it only releases the lock; what was written stays, and is
 * indexed by the next one.
 */

/* Take the lock and index what a killed writer left; not locked after a failure. */
int queue_begin(struct queue *q, struct err *e);

/* End it: what happened so far has ${status}, which is returned; -1 on failure. */
int queue_end(struct queue *q, int status, bool durable, struct err *e);

/* Read the head, to look only; an index that may not be believed is made anew first. */
int queue_refresh(struct queue *q, struct err *e);

/* Make the whole index anew from the journal; the lock is held. */
int queue_rebuild(struct queue *q, struct err *e);

/*
 * change.c: how a queue changes: lines for the journal, and what they mean for the index.
 *
 * The lock is held.  queue_change adds a line, queue_write appends and indexes
 * the lines so far.
 */

/* Add ${task} as it is now: a line with the next version.  The payload is written with ${put}
 * only. */
int queue_change(struct queue *q, json_t *task, bool put, struct err *e);

/* The same, but the task has not changed: it is only written again. */
int queue_change_again(struct queue *q, json_t *task, bool put, struct err *e);

/* Write the changes so far; they are forgotten when this fails.  ${keep}: bytes that they must
 * leave free on the disk, for what ends the work that there is. */
int queue_write(struct queue *q, size_t keep, struct err *e);

/* Forget the changes that were not written. */
void queue_drop_changes(struct queue *q);

/* Index the line ${task} at ${at}, the first of it with ${put} bytes, or another one with 0; doing
 * it
 * ${again} changes nothing. */
int queue_index_line(struct queue *q, const json_t *task, uint64_t at, uint64_t put, bool again,
		     struct err *e);

/*
 * key.c: which task a key was used for last: links in keys/, named after the key.
 */

#define QUEUE_LINK 256 /* bytes of a file's name with its NUL */

/* The name of the file for ${key}, "<key>" or "<tenant>.<key>": letters, digits, '-' and '_' are
 * themselves, other bytes %XX. */
int queue_link_name(const char *tenant, const char *key, char name[QUEUE_LINK], struct err *e);

/* The number that ${key} was used for last, 0: none. */
int queue_key_find(struct queue *q, const char *tenant, const char *key, uint64_t *number,
		   struct err *e);
int queue_key_set(struct queue *q, const char *tenant, const char *key, uint64_t number,
		  struct err *e);

/* ${key} is not used for task ${number} any more. */
int queue_key_forget(struct queue *q, const char *tenant, const char *key, uint64_t number,
		     struct err *e);

/*
 * dependants.c: which tasks may wait for a task: the numbers in dependants/<n>.
 */

#define QUEUE_FILE 32 /* bytes of such a file's name with its NUL */

/* The name of the file of task ${number}, here and in running/. */
const char *queue_file_of(uint64_t number, char name[QUEUE_FILE]);

/* The number of the task that ${id} names, which must be of this queue: ERR_BAD_DATA. */
int queue_number_of(const struct queue *q, const char *id, uint64_t *number, struct err *e);

/* Note the key of a task that is put, and what it depends on.  A note about a task that is not put
 * after all does no harm: whoever reads one looks at the task. */
int queue_note_put(struct queue *q, const json_t *task, struct err *e);

/* Call ${each} with every task that may wait for ${number}, until it returns non-zero, which is
 * returned; -1 on failure. */
int queue_each_dependant(struct queue *q, uint64_t number,
			 int (*each)(void *arg, uint64_t dependant), void *arg, struct err *e);

/* No task waits for ${number} any more. */
int queue_forget_dependants(struct queue *q, uint64_t number, struct err *e);

/*
 * depend.c: tasks that wait for other tasks of their queue.
 */

/* How the tasks are that ${task} depends on.  ${n}->bad is borrowed from ${task}. */
int queue_count_needs(struct queue *q, const json_t *task, struct queue_needs *n, struct err *e);

/* Look after the tasks that depend on those in q->ended, and on those that follow in consequence:
 * they may run, are blocked, or are blocked no more; the lock is held. */
int queue_settle(struct queue *q, struct err *e);

/* Whether a task that depends on ${number} still waits, for that or for another: 1, 0 or -1. */
int queue_awaited(struct queue *q, uint64_t number, struct err *e);

/*
 * running.c: the file of a claim, running/<n>, on task n.
 *
 * Its modification time is the end of the lease.  A claim that is held has an executable file, on
 * which its worker holds flock: it ends with the worker, too.  The file goes when the claim ends.
 */

/* Make the file of ${claim} by ${w} and take its lock: a descriptor, or -1. */
int queue_running_make(struct queue *q, struct queue_claim_id claim, const struct queue_worker *w,
		       struct err *e);

/* The lease on task ${number} ends in ${lease} ms from now. */
int queue_running_extend(struct queue *q, uint64_t number, int64_t lease, struct err *e);

/* Remove the file of task ${number}.  One that is left is removed by queue_tend. */
void queue_running_remove(struct queue *q, uint64_t number);

/* What has become of a claim. */
enum queue_lapse { QUEUE_HOLDS, QUEUE_LEASE_ENDED, QUEUE_WORKER_DIED };

/* The clock that leases go by, ms: as the wall clock was when the index was made, and by one that
 * nobody sets since then.  The head has been read. */
int64_t queue_lease_clock(const struct queue *q);

/* What has become of the claim on task ${number}, which has one. */
enum queue_lapse queue_running_state(const struct queue *q, uint64_t number);

/* Call ${each} with the number of every claim's task that has lapsed, until it fails. */
int queue_running_lapsed(struct queue *q,
			 int (*each)(void *arg, uint64_t number, enum queue_lapse why), void *arg,
			 struct err *e);

/* Have a file for each claim in the index: one that was lost in a power cut has lapsed, and none
 * ends later than its lease from now. */
int queue_restore_claims(struct queue *q, struct err *e);

/*
 * view.c: what a reader is told of a task beside what is in its record.
 */

/* Add that to ${task}, as it was read: see queue.h, "To look". */
int queue_view(struct queue *q, json_t *task, struct err *e);

/*
 * workers.c: what the workers are capable of that ask for tasks.
 */

/* Note ${w}, which asks for a task; what cannot be noted is left. */
void queue_workers_note(struct queue *q, const struct queue_worker *w);

/* Was there a worker of late that fits ${task}?  True as well if that is not known. */
bool queue_workers_fit(struct queue *q, const json_t *task);

/*
 * claim.c: what a worker holds, and how its claim begins and ends.
 */

struct queue_claim {
	struct queue_claim_id id;
	int fd;       /* of running/<n>, with flock on it if the claim is held */
	uint64_t end; /* of the journal, with the claim */
	json_t *task; /* with its payload */
};

/* A claim without a task; NULL when memory is out. */
struct queue_claim *queue_claim_new(struct queue_claim_id id, struct err *e);

/* A lease of ${lease} ms is possible. */
int queue_check_lease(int64_t lease, struct err *e);

/* Claim task ${number} for ${w}; the lock is held.  Returns 1 and *${c}, 0 if that was one whose
 * payload is lost, which has failed now, -1. */
int queue_claim_make(struct queue *q, uint64_t number, const struct queue_worker *w,
		     struct queue_claim **c, struct err *e);

/* The task of ${claim}, without its payload: a new reference, or NULL and ERR_BAD_STATE if the
 * claim is over. */
json_t *queue_claimed(struct queue *q, struct queue_claim_id claim, struct err *e);

/* Let ${alter} change the task of ${claim}, as queue_claimed has it, and write it, in a transaction
 * of its own. */
typedef int queue_alteration(struct queue *q, json_t *task, void *arg, struct err *e);
int queue_alter(struct queue *q, struct queue_claim_id claim, queue_alteration *alter, void *arg,
		bool durable, struct err *e);

/* The same for task ${number}, whoever has it; durable. */
int queue_alter_task(struct queue *q, uint64_t number, queue_alteration *alter, void *arg,
		     struct err *e);

/* Return the tasks whose claim lapsed; the lock is held. */
int queue_tend_claims(struct queue *q, struct err *e);

/*
 * secret.c: the answers to secret questions: not in the record, but in
 * queue/<name>/answers/<number>.<id>, until they are heard or the attempt ends.
 */

/* Keep ${answer} to question ${id} of task ${number}; durable. */
int queue_keep_secret(const struct queue *q, uint64_t number, const char *id, const char *answer,
		      struct err *e);

/* Move the secret answer to ${question}, which only the asker sees, into it. */
int queue_take_secret(const struct queue *q, uint64_t number, json_t *question, struct err *e);

/* Forget the answers to secret questions of ${task} that nobody heard: the attempt ends. */
void queue_drop_secrets(const struct queue *q, const json_t *task);

/*
 * mark.c: what a task is to a reader, as it was loaded.
 */

/* Have what the questions below need, of what ${r} has loaded. */
int queue_reader_prepare(struct queue *q, struct queue_reader *r, struct err *e);

/* True if one of the tasks ${from} to ${to}, whose newest line is at ${newest}, may be anything but
 * read to ${r}. */
bool queue_reader_may_want(const struct queue_reader *r, uint64_t from, uint64_t to,
			   uint64_t newest);

/*
 * floor.c: where the journal begins, and what there was before: queue/<name>/retired.
 */

struct queue_floor {
	uint64_t segment; /* the oldest that is kept */
	uint64_t version; /* of the last line before it */
	uint64_t count;   /* tasks by then */
};

int queue_floor_read(struct queue *q, struct queue_floor *f, struct err *e);

/* Durable. */
int queue_floor_write(struct queue *q, const struct queue_floor *f, struct err *e);

#endif
