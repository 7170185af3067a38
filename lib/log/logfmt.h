/*
 * logfmt - what happened, a line each, in log/<name>.log of the state directory.
 *
 *	time=2026-11-20T09:05:42.375Z event=state id=dlg_4f... to=accepted by=awcp-invite[71]
 *
 * A line is written with one write(2) to a file opened for appending, so that lines of several
 * processes do not mix.  A file that has grown beyond AWCP_LOG_BYTES is renamed to <name>.log.1 by
 * whoever writes next, that one to .2, and so on up to AWCP_LOG_KEEP.  With AWCP_LOG=syslog or
 * journal, lines go to syslogd or journald instead.
 *
 * No work stops or waits for its log: a line that cannot be written at once is lost.  Secrets do
 *not belong here: a caller passes names, ids, addresses and reasons, never a credential, and
 *secrets in a reason are redacted.
 */
#ifndef LOG_LOGFMT_H
#define LOG_LOGFMT_H

#include "base/err.h"

#define LOGFMT_LINE 2048 /* longest line; what is longer is cut */
#define LOGFMT_KEEP 99   /* max rotated files of a log */

#define LOGFMT_END ((const char *)NULL)

/* Append a line to log ${name}: ${event}, then keys and values in turn, ended by LOGFMT_END, then
 * the program and its process.  A NULL value leaves its key out. */
void logfmt_write(const char *name, const char *event, ...) __attribute__((sentinel));

/* Render the same line into ${out}, but without the program and the newline: for callers that
 * cannot render a line at the time when it is needed. */
void logfmt_render(char out[LOGFMT_LINE], const char *event, ...) __attribute__((sentinel));

/* A descriptor to write such rendered lines of log ${name} to, for the caller to close; -1. */
int logfmt_target(const char *name, struct err *e);

/* A descriptor to append to the file of log ${name}, rotated if need be, for the caller to close;
 * -1. */
int logfmt_open(const char *name, struct err *e);

/* Where lines go that do not go to files: "syslog" or "journal"; NULL: to files. */
const char *logfmt_elsewhere(void);

#endif
