/*
 * log - lines on stderr for whoever runs the program.
 */
#ifndef HTTP_LOG_H
#define HTTP_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

/* Name the program in front of each line; ${name} stays the caller's. */
void http_log_name(const char *name);

/* Write a line, without control characters. */
void http_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Has a minute passed since *${logged}, when this last was true?  For what may happen often. */
bool http_log_due(atomic_llong *logged);

#endif
