/*
 * logfmt - what happened, a line each, in log/<name>.log of the state directory.
 *
 *	time=2026-11-20T09:05:42.375Z event=auth-failed from=127.0.0.1 why="the token has expired"
 *
 * A line is written with one write(2) to a file opened for appending, so that lines of several
 * processes do not mix.  A file that has grown beyond LOGFMT_BYTES becomes <name>.log.1, which it
 * replaces, by whoever writes next.  Secrets have no business here: a caller passes names, ids,
 * addresses and reasons, never what somebody showed as a credential.
 */
#ifndef LOGFMT_H
#define LOGFMT_H

#include <stdarg.h>
#include <stddef.h>

#include "err.h"

#define LOGFMT_LINE 2048                /* longest line; what is longer is cut */
#define LOGFMT_BYTES (4L * 1024 * 1024) /* a log is rotated beyond this */

#define LOGFMT_END ((const char *)NULL)

/* Append a line to log ${name}: ${event}, then keys and values in turn, ended by LOGFMT_END.  A
 * NULL value leaves its key out.  A line that cannot be written is lost: no work stops for its log.
 */
void logfmt_write(const char *name, const char *event, ...) __attribute__((sentinel));

/* Render the same line, without its end of line, into ${out}. */
void logfmt_render(char out[LOGFMT_LINE], const char *event, ...) __attribute__((sentinel));

/* A descriptor to append to log ${name}, rotated if need be, for the caller to close; -1. */
int logfmt_open(const char *name, struct err *e);

#endif
