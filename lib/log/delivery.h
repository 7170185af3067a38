/*
 * delivery - delivery.log: the steps of delegations between the two sides, and what became of each.
 *
 *	event=start side=delegator id=dlg_4f... outcome=OK in=12 out=48211 ms=31 attempt=1
 */
#ifndef LOG_DELIVERY_H
#define LOG_DELIVERY_H

#include "base/err.h"

#define DELIVERY_LOG "delivery"

struct delivery {
	const char *step; /* "invite", "start", "events", "result", "ack", "cancel" */
	const char *side; /* whose log this is: "delegator" or "executor" */
	const char *id;
	const char *peer;      /* the other side's address or name; NULL or "": not known */
	enum err_code outcome; /* ERR_NONE: it went well */
	int http;              /* status of the answer; 0: there was none */
	uint64_t in, out;      /* bytes of bodies that came, and that were sent */
	int64_t began;         /* clock_steady */
	int attempt;           /* from 1; 0: it is not counted */
};

/* Log ${d}, which ends now, and count it. */
void delivery_end(const struct delivery *d);

#endif
