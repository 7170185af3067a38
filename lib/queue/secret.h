/*
 * queue/secret - the answers to secret questions: not in the record, but in
 * queue/<name>/answers/<number>.<id>, until they are heard or the attempt ends.
 */
#ifndef QUEUE_SECRET_H
#define QUEUE_SECRET_H

#include "queue/private.h"

/* Keep ${answer} to question ${id} of task ${number}; durable. */
int queue_keep_secret(const struct queue *q, uint64_t number, const char *id, const char *answer,
		      struct err *e);

/* Move the secret answer to ${question}, which only the asker sees, into it. */
int queue_take_secret(const struct queue *q, uint64_t number, json_t *question, struct err *e);

/* Forget the answers to secret questions of ${task} that nobody heard: the attempt ends. */
void queue_drop_secrets(const struct queue *q, const json_t *task);

#endif
