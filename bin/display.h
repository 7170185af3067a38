/*
 * display - how awcp-invite and awcp-watch show a delegation's course.
 *
 * stderr on a terminal gets a progress line that is drawn over; what is worth keeping gets a line
 * of its own.
 */
#ifndef DISPLAY_H
#define DISPLAY_H

#include "lend/session.h"

struct display {
	bool json;     /* events as NDJSON on stdout */
	bool events;   /* events as lines on stdout */
	bool quiet;    /* nothing on stderr but errors */
	bool verbose;  /* every path that is applied */
	bool terminal; /* private */
	bool begun;    /* private: the task runs */
	bool drawn;    /* private: a progress line is on the screen */
	int64_t next;  /* private: not drawn before */
};

/* An observer that shows on ${d}. */
struct lend_observer display_observer(struct display *d);

/* Wipe the progress line, if there is one. */
void display_clear(struct display *d);

#endif
