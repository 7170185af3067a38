/*
 * stranger - what is read from a caller of whom it is not known who it is.
 *
 * Anybody can open connections, send the beginning of a request and wait.  So at most
 * STRANGER_BYTES are read from a caller before it is identified, within STRANGER_SECONDS, and from
 * a part of the threads' number of callers at a time; who shows a right token in a header is never
 * one of them.
 */
#ifndef HTTP_STRANGER_H
#define HTTP_STRANGER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/err.h"

#define STRANGER_BYTES ((size_t)65536)
#define STRANGER_SECONDS 15

struct stranger {
	bool known;       /* no bound any more */
	bool waits;       /* it is one of those that are counted */
	bool late;        /* its time is over */
	size_t taken;     /* bytes that were read */
	int fd;           /* its connection */
	int64_t deadline; /* clock_steady */
	LIST_ENTRY(stranger) next;
};

/* Let half of ${threads} be strangers', and watch their time.  Until then there are none. */
int stranger_start(unsigned threads, struct err *e);

/* May *${n} bytes be read on ${fd} (-1: not a connection) from ${s}?  *${n} becomes what may be.
 * ERR_AUTH_FAILED when it has had its bytes, ERR_BUSY when too many are at it.  Of one that is
 * known anything may be read. */
int stranger_allow(struct stranger *s, int fd, size_t *n, struct err *e);

/* ${n} bytes were read. */
void stranger_took(struct stranger *s, size_t n);

/* It is known who ${s} is, or its request is over. */
void stranger_leave(struct stranger *s);

#endif
