/*
 * queue/private - what an open queue has, and how its tasks are found.
 */
#ifndef QUEUE_PRIVATE_H
#define QUEUE_PRIVATE_H

#include "queue/config.h"
#include "queue/index.h"
#include "queue/journal.h"
#include "queue/name.h"
#include "queue/queue.h"

#define QUEUE_BATCH 4096 /* changes of one queue_write */

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
	uint64_t *ended; /* tasks that ended since queue_begin, for which others may wait */
	size_t ended_count, ended_cap;
	bool ring; /* something may be taken now */
};

/* Read the task of ${cell}, with its payload or without; a new reference or NULL. */
json_t *queue_read(struct queue *q, const struct queue_cell *cell, bool payload, struct err *e);

/* A copy of the cell of task ${number}; ERR_NOT_FOUND if there is none, ERR_EXPIRED if it is not
 * kept any more. */
int queue_find(struct queue *q, uint64_t number, struct queue_cell *cell, struct err *e);

/* Make what was changed through ${q} durable; queue_end does it if asked. */
int queue_sync(struct queue *q, struct err *e);

#endif
