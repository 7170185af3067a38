/*
 * log_read - reads lifecycle.log and delivery.log, with their rotated files, as one.
 *
 * Each log is read from its oldest file to the newest.  The next file is found by the names at that
 * moment, since files are renamed while they are read.
 */
#ifndef LOG_READ_H
#define LOG_READ_H

#include <jansson.h>

#include "base/err.h"

struct log_reader;

struct log_reader *log_read_open(struct err *e);
void log_read_close(struct log_reader *r);

/* The next line, the earlier one of those that both logs have: *${text}, without its end of line,
 * valid until the next call, and the ${log} it is from.  1, or 0 if there is none for now. */
int log_read_next(struct log_reader *r, const char **text, const char **log);

/* Wait for more, for a second or so. */
void log_read_wait(struct log_reader *r);

/* The line ${text} of ${log} as an object of strings with "log" first; a new reference, NULL if it
 * is no line of a log, or out of memory. */
json_t *log_read_parse(const char *text, const char *log);

/* Is ${line} about ${id}: that or, with ${prefix}, one that begins so?  A line may be about tasks
 * that were put one after the other. */
bool log_read_about(const json_t *line, const char *id, bool prefix);

#endif
