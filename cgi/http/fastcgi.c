#include "http/fastcgi.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

enum { END_REQUEST = 3, STDOUT = 6 };

static void
put_head(const struct fastcgi *c, unsigned char type, size_t n, unsigned char head[FASTCGI_HEAD])
{
	memset(head, 0, FASTCGI_HEAD);
	head[0] = 1;
	head[1] = type;
	head[2] = (unsigned char)(c->request >> 8);
	head[3] = (unsigned char)c->request;
	head[4] = (unsigned char)(n >> 8);
	head[5] = (unsigned char)n;
}

void
fastcgi_head(const struct fastcgi *c, size_t n, unsigned char head[FASTCGI_HEAD])
{
	put_head(c, STDOUT, n, head);
}

void
fastcgi_end(const struct fastcgi *c, unsigned char end[FASTCGI_END])
{
	put_head(c, STDOUT, 0, end); /* the end of this stream */
	put_head(c, END_REQUEST, FASTCGI_HEAD, end + FASTCGI_HEAD);
	memset(end + 2 * FASTCGI_HEAD, 0, FASTCGI_HEAD); /* exit status 0, request complete */
}

int
fastcgi_write(const struct fastcgi *c, const char *p, size_t n)
{
	while (n > 0) {
		size_t size = n < FASTCGI_RECORD ? n : FASTCGI_RECORD, done = 0;
		unsigned char head[FASTCGI_HEAD];
		fastcgi_head(c, size, head);
		while (done < sizeof head + size) {
			size_t left = done < sizeof head ? sizeof head - done : 0;
			size_t past = done + left - sizeof head; /* of ${p} */
			struct iovec v[2] = {{head + sizeof head - left, left},
					     {(void *)(uintptr_t)(p + past), size - past}};
			ssize_t wrote = writev(c->fd, v, 2);
			if (wrote < 0 && errno != EINTR)
				return -1;
			done += wrote > 0 ? (size_t)wrote : 0;
		}
		p += size;
		n -= size;
	}
	return 0;
}
