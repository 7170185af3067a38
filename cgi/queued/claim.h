/*
 * claim - gives tasks to workers that ask for one, at once or when there is one.
 *
 * A worker that waits has no thread: its connection, detached from libfcgi, is with one thread that
 * watches the bells of all queues that are waited for.  Those that may take the same tasks wait in
 * one line, and when the bell rings the first in line tries.  A claim whose worker is gone before
 * it could be told is handed back.
 */
#ifndef QUEUED_CLAIM_H
#define QUEUED_CLAIM_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "http/http.h"

#define CLAIM_WORKER 128 /* bytes of a worker's name with its NUL */

struct claim_wish {
	const char *queue;
	const char *tenant;   /* whose tasks; NULL: everybody's */
	json_t *capabilities; /* strings, or NULL */
	char worker[CLAIM_WORKER];
	int64_t lease; /* ms */
	int64_t wait;  /* ms at most */
};

/* Answer ${h}, whose body was drained, with the task that is claimed as ${w} wishes, or with 204 if
 * there was none in time.  -1 if it was not answered. */
int claim_answer(struct http *h, const struct claim_wish *w, struct err *e);

#endif
