/*
 * queue_private - what the files of the queue share among themselves.
 *
 * A change is made between queue_begin and queue_end: queue_change adds a line, queue_write appends
 * and indexes the lines so far.  queue_end lets the consequences follow (tasks that waited for one
 * that ended), makes it durable and rings the bell.  Whoever fails in between calls queue_abort;
 * what was written stays, and is indexed by the next one.
 */
#ifndef QUEUE_PRIVATE_H
#define QUEUE_PRIVATE_H

#include "queue/queue.h"
#include "queue/index.h"
#include "queue/journal.h"
#include "queue/reader.h"

#define QUEUE_BATCH 4096 /* changes of one queue_write, at most */

struct queue_config {
	int64_t width;             /* tasks that run at once; 0: any number */
	int64_t lane;              /* of one lane; 0: any number */
	json_t *lanes;             /* widths of single lanes, or NULL */
	int64_t max_deaths;        /* workers that a task may take with it; 0: any number */
	enum queue_event recovery; /* QUEUE_RETURN, QUEUE_FAIL or QUEUE_LOSE */
	int64_t retention;         /* ms that a task is kept after its end */
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
	uint64_t *ended; /* tasks that did since queue_begin, for which others may wait */
	size_t ended_count, ended_room;
	bool ring; /* something may be taken now */
};

int queue_begin(struct queue *q, struct err *e);

/* Read the head, to look only; an index that may not be believed is made anew first. */
int queue_look(struct queue *q, struct err *e);

/* Add ${task} as it is now: a line with the next version.  The payload is written with ${put}
 * only. */
int queue_change(struct queue *q, json_t *task, bool put, struct err *e);

/* The same, but the task is not changed: it is only written again. */
int queue_change_again(struct queue *q, json_t *task, bool put, struct err *e);

/* The changes so far are written then, or forgotten.  ${keep}: bytes on the disk that they must
 * leave to the ends of what there is. */
int queue_write(struct queue *q, size_t keep, struct err *e);
int queue_end(struct queue *q, bool durable, struct err *e);

/* Make what was changed through ${q} durable; queue_end does it if asked. */
int queue_sync(struct queue *q, struct err *e);
void queue_abort(struct queue *q);

/* Make the whole index anew from the journal; the lock is held. */
int queue_rebuild(struct queue *q, struct err *e);

/* Read the task of ${cell}, with its payload or without; a new reference or NULL. */
json_t *queue_read(struct queue *q, const struct queue_cell *cell, bool payload, struct err *e);

/* The cell of task ${number}; ERR_NOT_FOUND if there is none.  A copy in ${cell}. */
int queue_find(struct queue *q, uint64_t number, struct queue_cell *cell, struct err *e);

/* Put ${task} into the state that follows on ${event}. */
int queue_step(json_t *task, enum queue_event event, struct err *e);

/* Make a task that waits for nothing any more pending. */
void queue_release(json_t *task);

/* ${task} may not be taken before ${ms}; 0: at once. */
int queue_set_time(json_t *task, int64_t ms, struct err *e);

/* When ${task} may be taken, ms since 1970; 0: at once. */
int64_t queue_time(const json_t *task);

/* Set ${member} of ${o} to as much of ${text} as is kept: a task's line must stay short enough. */
int queue_set_reason(json_t *o, const char *member, const char *text);

/* ${task} has an error. */
int queue_set_error(json_t *task, const char *code, const char *message, struct err *e);

/* The open attempt of ${task} ended with ${outcome}, such as "lapsed", because of ${why} or NULL.
 */
int queue_attempt_end(json_t *task, const char *outcome, const char *why, struct err *e);

/* Look after tasks ${n} of q->ended: those that depend on them. */
int queue_settle(struct queue *q, struct err *e);

/* Note the key of a task that is put, and what it depends on.  A note about a task that is not put
 * after all does no harm: who reads one looks at the task. */
int queue_note_put(struct queue *q, const json_t *task, struct err *e);

/* How many of the tasks that ${task} depends on have not ended; *${bad} is the id of one that ended
 * badly, or NULL. */
int queue_count_dependencies(struct queue *q, const json_t *task, int64_t *left, const char **bad,
			     struct err *e);

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

/* What was there before the oldest segment that is kept, as queue/<name>/retired says. */
struct queue_floor {
	uint64_t segment; /* the oldest that is kept */
	uint64_t version; /* of the last line before it */
	uint64_t count;   /* tasks by then */
};

int queue_floor_read(struct queue *q, struct queue_floor *f, struct err *e);

/* Whether a task that depends on ${number} still waits, for that or for another: 1, 0 or -1. */
int queue_awaited(struct queue *q, uint64_t number, struct err *e);

/* Nobody waits for task ${number} any more. */
int queue_forget_dependants(struct queue *q, uint64_t number, struct err *e);

/* Forget the answers to secret questions of ${task} that nobody heard: the attempt ends. */
void queue_drop_secrets(const struct queue *q, const json_t *task);

/* Have a file for each claim: one that was lost with the power has lapsed. */
int queue_restore_claims(struct queue *q, struct err *e);

/* What ended the claim that ${name} in running/ stands for: NULL if it holds.  *${died}: its worker
 * did. */
const char *queue_claim_lapsed(const struct queue *q, const char *name, bool *died);

/* The claim's file is not needed any more. */
void queue_forget_claim(struct queue *q, uint64_t number);

/* True if one of the tasks ${from} to ${to}, whose newest line is at ${newest}, may be anything but
 * read to ${r}. */
bool queue_reader_may_want(const struct queue_reader *r, uint64_t from, uint64_t to,
			   uint64_t newest);

/* A hash of ${text}, never 0; 0 for NULL. */
uint64_t queue_hash(const char *text);

/* Two bits that stand for ${text} in a cell, beside those of others. */
uint64_t queue_bits(const char *text);

/* Write "brave-otter-17". */
void queue_human_name(uint64_t number, char out[64]);

#endif
