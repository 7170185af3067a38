/*
 * listing - the names in a directory, sorted byte by byte, in memory that does not grow with it.
 *
 * Names are read in batches of bounded size.  When a directory has more, the first in order are
 * kept, and the directory is read again for those after them.
 */
#ifndef BASE_LISTING_H
#define BASE_LISTING_H

#include "base/err.h"

struct listing {         /* private; zero at the start */
	char *names;     /* NUL-terminated, one after the other */
	uint32_t *order; /* where each begins, sorted */
	size_t used, cap, count, order_cap;
	size_t next; /* place in order of the name to return next */
	bool started;
	bool more; /* there are names after this batch */
};

/* The next name in the directory ${dirfd}, without "." and "..", valid until the next call, in
 * *${name}: NULL at the end. */
int listing_next(struct listing *l, int dirfd, const char **name, struct err *e);

void listing_free(struct listing *l);

#endif
