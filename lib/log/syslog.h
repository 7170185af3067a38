/* syslog - lines that go to syslogd or journald. */
#ifndef LOG_SYSLOG_H
#define LOG_SYSLOG_H

#include "log/logfmt.h"

/* Write what stands before a line in syslog(3)'s format to ${out}; returns its length. */
size_t syslog_head(char out[LOGFMT_LINE]);

/* A descriptor to write such lines to, or -1. */
int syslog_open(struct err *e);

/* Send a line to syslogd; or to journald, with what it is of and about as fields of their own. */
void syslog_send(const char *line, size_t n);
void syslog_journal_send(const char *log, const char *event, const char *id, const char *line,
			 size_t n);

#endif
