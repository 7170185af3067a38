/*
 * metrics - how often things happened, counted by all programs of a state directory together.
 *
 *	metrics/<n>	slots of 128 bytes, each a counter with its name and labels
 *
 * A process that counts has a file to itself, on which it holds flock(2) as long as it lives: it
 * waits for nobody, and a count is one pwrite(2) of one slot.  A reader adds the files up.  The
 *next process continues the first file that nobody has, so there are as many files as there ever
 *were processes that counted at the same time, and no counter ever decreases.  A slot has its value
 * twice, the second time inverted: a reader that meets a write reads again.
 *
 * Counting never fails and never waits: what cannot be counted (a full disk) is lost.
 */
#ifndef LOG_METRICS_H
#define LOG_METRICS_H

#include "base/buf.h"

#define METRICS_LABEL 32 /* bytes of a label's value with its NUL; a longer one is cut */

enum metric {
	METRIC_DELEGATIONS, /* came into a state: state */
	METRIC_ASSIGNMENTS, /* came into a state: state */
	METRIC_DELIVERIES,  /* steps between the two sides: step, outcome ("OK" or a code) */
	METRIC_BYTES, /* of their bodies: side ("delegator", "executor"), direction ("in", "out") */
	METRIC_ERRORS,      /* by code: where ("http", "delegations", "assignments", ...), code */
	METRIC_REAPED,      /* by awcp-reap: kind */
	METRIC_STREAMS,     /* open now: a level */
	METRIC_START_DELAY, /* from INVITE to START: a duration */
	METRIC_RUN,         /* of tasks: a duration */
	METRIC_DELEGATION,  /* from creation to the end: a duration */
	METRICS
};

/* Add ${n} to counter ${m}, whose labels have the values ${a} and ${b}, as many as it has: NULL for
 * those that it has not. */
void metrics_count(enum metric m, const char *a, const char *b, uint64_t n);

/* The level ${m} changes by ${change}, for as long as this process lives. */
void metrics_level(enum metric m, int64_t change);

/* Something of duration ${m} took ${ms}. */
void metrics_observe(enum metric m, int64_t ms);

/* Add everything that was counted to ${out}, as Prometheus text 0.0.4. */
int metrics_print(struct buf *out, struct err *e);

#endif
