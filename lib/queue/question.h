/*
 * queue/question - a task that waits for a person.
 *
 * The questions of a task are in its record, as "questions", the last QUEUE_QUESTIONS of them, and
 * "asked" counts all, so that an id is never used again: an answer to a question of an earlier
 * attempt cannot be taken for one of this.  A question is open while it has no outcome, its attempt
 * is the one that runs, and the task is waiting_answer; so whatever ends the attempt ends its
 * questions, and there is nothing to be cleaned up after a worker that died.
 *
 * The answer to a secret question is not in the record but in queue/<name>/answers/<number>.<id>,
 * until it is heard or the attempt ends.
 */
#ifndef QUEUE_QUESTION_H
#define QUEUE_QUESTION_H

#include "wire/question.h"
#include "queue/queue.h"

#define QUEUE_QUESTIONS 16 /* kept in the record */
#define QUEUE_OPEN 8       /* open at the same time, of one task */

/* What is known of the questions of a task beside its record. */
struct queue_asked {
	int64_t count; /* it has asked so many elsewhere: its ids continue after that */
	int64_t max; /* it may ask so many in all, within AWCP_MAX_QUESTIONS; 0: as many as that */
};

/* The worker with ${claim} asks ${question} (question_make), which gets its id; ${before} may be
 * NULL.  Durable.  ERR_BAD_STATE if the claim is lost, ERR_BUSY if too many are open, ERR_TOO_LARGE
 * if the task has asked too often, ERR_NO_SPACE if the disk is nearly full (state/space.h). */
int queue_ask(struct queue *q, struct queue_claim_id claim, json_t *question,
	      const struct queue_asked *before, struct err *e);

/* What became of question ${id} of the claim: 1 with *${question}, a new reference, when it is
 * over, with the answer even if that is secret, which is told only once; 0 while it is open; -1.
 * One whose time is over ends by this, in its default if it has one. */
int queue_question_poll(struct queue *q, struct queue_claim_id claim, const char *id,
			json_t **question, struct err *e);

/* Nobody waits for the answer to question ${id} of the claim any more; *${question}, a new
 * reference, is what became of it. */
int queue_withdraw(struct queue *q, struct queue_claim_id claim, const char *id, json_t **question,
		   struct err *e);

/* ${by} (a name, or NULL) answers question ${id} of task ${number}; NULL: the one that is open.
 * Durable.  ERR_BAD_DATA if the answer is none of its options, ERR_BAD_STATE if the question is
 * over, ERR_NOT_FOUND if there is none. */
int queue_answer(struct queue *q, uint64_t number, const char *id, const char *answer,
		 const char *by, struct err *e);

/* The open questions of ${task}: a new array. */
json_t *queue_questions(const json_t *task, struct err *e);

#endif
