/*
 * buf - a byte buffer that grows up to a bound.
 *
 * Whatever a peer controls is collected in one of these, so the bound is part of the type.
 * The bytes are always followed by a NUL, so that text can be used as a string.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

struct buf {
	char *data; /* NULL until the first byte; NUL-terminated afterwards */
	size_t len; /* bytes in use, without the NUL */
	size_t cap; /* bytes allocated */
	size_t max; /* len may not pass this */
};

/* An empty buffer that may hold ${max} bytes.  Nothing is allocated yet. */
#define BUF_INIT(max_)             \
	{                          \
		NULL, 0, 0, (max_) \
	}

/* Append ${n} bytes.  Fails with ERR_TOO_LARGE over the bound. */
int buf_add(struct buf *b, const void *p, size_t n, struct err *e);

/* Append the formatted text. */
int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);

/* Free the memory; the buffer is empty and usable again. */
void buf_free(struct buf *b);

#endif
