/*
 * log - lines on stderr for whoever runs the program.
 */
#ifndef HTTP_LOG_H
#define HTTP_LOG_H

#include <stdatomic.h>

/* Name the program in front of each line; ${name} stays the caller's. */
void http_log_name(const char *name);

/* Write a line, without control characters. */
void http_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, if a minute has passed since *${logged}, when this last wrote; for what may happen
 * often. */
void http_log_rarely(atomic_llong *logged, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
