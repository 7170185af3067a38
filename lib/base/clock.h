/*
 * clock - points in time and spans of it.
 *
 * Points in time are milliseconds since 1970 UTC (int64_t); on the wire and in records they are
 * RFC 3339 text with milliseconds and a Z, "2026-11-20T09:05:42.375Z".
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "base/err.h"

#define CLOCK_TEXT 25 /* bytes of a formatted time with its NUL */

/* The wall clock, ms. */
int64_t clock_now(void);

/* ${ms} since 1970 as a file's time. */
struct timespec clock_timespec(int64_t ms);

/* ${t} in ms. */
int64_t clock_ms(struct timespec t);

/* A clock that never jumps, ms; for timeouts. */
int64_t clock_steady(void);

/* The same, but it also counts the time in which the machine is suspended, and all processes since
 * it was started have the same. */
int64_t clock_since_boot(void);

/* Write ${ms} as RFC 3339 into ${out}; years 1970 to 9999, others are clipped. Returns ${out}. */
const char *clock_format(int64_t ms, char out[CLOCK_TEXT]);

/* Parse RFC 3339 (with "Z" or an offset, any number of decimals) into *${ms}. */
int clock_parse(const char *text, int64_t *ms, struct err *e);

#define CLOCK_SPAN_MAX (INT64_C(3660) * 86400) /* the longest span, s: ten years */

/* Parse a span such as "90", "90s", "15m", "2h" or "7d" into seconds, 1 to CLOCK_SPAN_MAX. */
int clock_parse_span(const char *text, int64_t *seconds, struct err *e);

/* How long, ms, to wait before try ${attempt} (from 1) of something that failed: at random between
 * half and all of 1 s, 2 s, 4 s and so on up to 16 s, so that those who lost the same peer at the
 * same moment do not come back as one. */
int64_t clock_backoff(int attempt);

#endif
