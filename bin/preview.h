/*
 * preview - awcp-invite -n: what would be sent, and what of it is large.
 */
#ifndef PREVIEW_H
#define PREVIEW_H

#include "tree/admit.h"

/* List what of ${n} resources would be sent on stdout; the totals and the five largest files go to
 * stderr, or with ${json} as a last object to stdout, unless ${quiet}.  Everything is listed;
 * what the limits ${l} refuse, or cannot be sent, is named on stderr, all of it.  Fails then as
 * tree_admit does. */
int preview(const struct resource *r, size_t n, const struct tree_limits *l, bool json, bool quiet,
	    struct err *e);

#endif
