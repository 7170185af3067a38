/*
 * process/output - what a command writes, as a log, as progress, and as a summary.
 *
 * stdout and stderr come in pieces and are put together to lines.  Every line goes to the log,
 * whole, until the log is full, which its last line says.  A line of stdout is also progress for
 * the delegator: no more than OUTPUT_RATE a second, and of a burst the last line.  The last lines
 * of stdout make a summary, the last line of stderr a reason for failing.  All but the log is text
 * for people, from a program that may mean harm: escape sequences and control characters are
 * dropped, and of a line that was overwritten with carriage returns only the last state is kept.
 * Secrets are taken out of all of it before it is written (redact).
 */
#ifndef PROCESS_OUTPUT_H
#define PROCESS_OUTPUT_H

#include "base/err.h"

#define OUTPUT_LINE 65536    /* longest line in the log; a longer one is broken */
#define OUTPUT_RATE 5        /* lines of progress a second */
#define OUTPUT_PROGRESS 1024 /* bytes of a line of progress */
#define OUTPUT_SUMMARY 4096  /* bytes of a summary */
#define OUTPUT_SUMMARY_LINES 20

enum output_stream { OUTPUT_STDOUT, OUTPUT_STDERR };

struct output;

/* Write at most ${max} bytes to ${logfd} (-1: no log), which stays the caller's. */
struct output *output_new(int logfd, uint64_t max, struct err *e);

/* The same to ${name} in ${dirfd}, which is made anew. */
struct output *output_create(int dirfd, const char *name, uint64_t max, struct err *e);

void output_free(struct output *o);

/* The descriptor of the log, -1 if nothing more comes into it.  And: nothing more is to come into
 * it, because of ${why}, a few words, which are noted there. */
int output_log(const struct output *o);
void output_cut(struct output *o, const char *why);

/* Add ${n} bytes that came from ${from}.  A log that cannot be written (a full disk) is given up;
 * the task goes on. */
void output_add(struct output *o, enum output_stream from, const char *p, size_t n);

/* Both streams have ended: what is left without a newline is a line too. */
void output_end(struct output *o);

/* The line of progress that may be sent at ${now} (clock_steady), valid until the next call; NULL
 * if there is none.  *${wait} is then how many ms to wait for one that is held back, or -1. */
const char *output_progress(struct output *o, int64_t now, int *wait);

/* The last lines of ${from}, at most OUTPUT_SUMMARY_LINES, without blank lines around them; "" if
 * there were none. */
const char *output_last(struct output *o, enum output_stream from);

/* The last line of stderr that was not blank, or "". */
const char *output_complaint(const struct output *o);

#endif
