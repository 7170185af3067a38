/* logfmt_private - lines that go to syslogd or journald. */
#ifndef LOG_SYSLOG_H
#define LOG_SYSLOG_H

#include "log/logfmt.h"

/* Write what stands before a line in syslog(3)'s format to ${out}; returns its length. */
size_t logfmt_syslog_head(char out[LOGFMT_LINE]);

/* A descriptor to write such lines to, or -1. */
int logfmt_syslog_open(struct err *e);

/* Send a line to syslogd; or to journald, with what it is of and about as fields of their own. */
void logfmt_syslog_send(const char *line, size_t n);
void logfmt_journal_send(const char *log, const char *event, const char *id, const char *line,
			 size_t n);

#endif
