/*
 * logread - reads lifecycle.log and delivery.log, with what was set aside of them, as one.
 *
 * Each log is read from its oldest file to the newest.  Which file follows the one that was read is
 * told by the names at that moment: files are renamed while they are read.
 */
#ifndef LOG_READ_H
#define LOG_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct logread;

struct logread *logread_open(struct err *e);
void logread_close(struct logread *r);

/* The next line, the earlier one of those that both logs have: *${text}, without its end of line,
 * valid until the next call, and the ${log} it is from.  1, or 0 if there is none for now. */
int logread_next(struct logread *r, const char **text, const char **log);

/* Wait for more, for a second or so. */
void logread_wait(struct logread *r);

/* The line ${text} of ${log} as an object of strings with "log" first; a new reference, NULL if it
 * is no line of a log, or out of memory. */
json_t *logread_parse(const char *text, const char *log);

/* Is ${line} about ${id}: that or, with ${prefix}, one that begins so?  A line may be about tasks
 * that were put one after the other. */
bool logread_about(const json_t *line, const char *id, bool prefix);

#endif
