/*
 * executor/answers - longer answers of awcp-executor to requests that only read.
 */
#ifndef EXECUTOR_ANSWERS_H
#define EXECUTOR_ANSWERS_H

#include "assignment/assignment.h"
#include "base/buf.h"
#include "http/http.h"

/* GET /.well-known/agent-card.json: what this executor is, for whoever looks for one; 404 if there
 * is no file.  The operator writes it (agent-card.json in the state directory); what the program
 * knows better is filled in: the member "awcp", with transports, limits and what may be asked for,
 * and that it streams.  It is public, as cards are. */
void card_answer(struct http *h, const struct assignment_policy *p);

/* GET /tasks/:id/result for ${owner} (as in assignment_open): how a task stands, for whoever asks
 * once instead of following its events. */
void result_answer(struct http *h, const char *owner);

/* Add to ${out}, as Prometheus text, how many delegations, assignments and tasks are in which
 * state, and for how long the oldest task of each queue has waited: from the indexes of unfinished
 * records and from the queues.  What cannot be read is left out. */
int gauges_print(struct buf *out, struct err *e);

#endif
