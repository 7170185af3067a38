/*
 * fastcgi - the answer to a FastCGI request, written without libfcgi (FastCGI 1.0, sections 3.3 and
 * 5): records of the largest size, and connections that were detached from it.
 */
#ifndef HTTP_FASTCGI_H
#define HTTP_FASTCGI_H

#include <stddef.h>

#define FASTCGI_RECORD ((size_t)65528) /* max bytes in a record; a multiple of 8: no padding */
#define FASTCGI_HEAD 8                 /* bytes before them */
#define FASTCGI_END 24                 /* bytes that end an answer */

/* A connection with one request, which has been read to its end. */
struct fastcgi {
	int fd;
	unsigned short request;
};

/* The header of a record with ${n} (at most FASTCGI_RECORD) bytes of the answer. */
void fastcgi_head(const struct fastcgi *c, size_t n, unsigned char head[FASTCGI_HEAD]);

/* The bytes that end the answer. */
void fastcgi_end(const struct fastcgi *c, unsigned char end[FASTCGI_END]);

/* Write ${n} bytes of the answer, all of them.  -1 if the peer is gone. */
int fastcgi_write(const struct fastcgi *c, const char *p, size_t n);

#endif
