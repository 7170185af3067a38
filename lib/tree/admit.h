/*
 * admit - whether directories may be sent: how much there is in them, and nothing secret.
 */
#ifndef TREE_ADMIT_H
#define TREE_ADMIT_H

#include "tree/tree.h"

#define TREE_LENT_MAX 64 /* directories that are lent at once */

/* What the peer keeps of a tree, as far as that is known. */
enum tree_peer {
	TREE_PEER_UNKNOWN,
	TREE_PEER_KEEPS, /* links as they are, and every name */
	TREE_PEER_PLAIN  /* neither; it gets what links lead to */
};

/* Bounds on what may be sent, and what would be. */
struct tree_limits {
	uint64_t bytes; /* in all */
	uint64_t files;
	uint64_t file_bytes;   /* in one file */
	bool sensitive_ok;     /* what looks like a secret (sensitive.h) may be sent */
	const char *sensitive; /* or what of it, see sensitive_allowed; NULL: nothing */
	enum tree_peer peer;
};

struct tree_totals {
	uint64_t bytes;
	uint64_t files;
	uint64_t directories;
	uint64_t links;
	uint64_t refused; /* paths that cannot be sent, or would be too much */
	uint64_t special; /* paths that can be sent to one kind of peer only, if it is unknown */
};

/* The limits in force: AWCP_MAX_BYTES (100M), AWCP_MAX_FILES (10000), AWCP_MAX_FILE_BYTES (50M),
 * AWCP_SENSITIVE, whose text must stay as it is. */
int tree_limits(struct tree_limits *l, struct err *e);

/* Count a file of ${size} bytes in ${totals}: 0, or -1 with ERR_WORKSPACE_TOO_LARGE if that is more
 * than ${l} allows. */
int tree_count(const struct tree_limits *l, const char *path, uint64_t size,
	       struct tree_totals *totals, struct err *e);

/* ERR_USAGE if one of ${r}, of which one may be changed, lies in another, or both are the same:
 * then there would be two of the same files, and nobody knows which of them is meant. */
int tree_check_apart(const struct resource *r, size_t n, struct err *e);

/* Who sees a walk go on.  Every member may be NULL. */
struct tree_visitor {
	void (*each)(void *arg, const struct entry *entry);
	/* Something cannot be sent, for the reason ${why}; with this, all of it is looked at. */
	void (*refused)(void *arg, const struct err *why);
	void *arg;
};

/* Check that the directories are apart, and that what would be sent can be sent and stays within
 * ${l}, before anything is sent; ${v} (or NULL) sees every entry.  Fails with the first thing that
 * is refused, and how many more are: ERR_WORKSPACE_INVALID for a link that leads out,
 * ERR_PERMISSION for what cannot be read, ERR_WORKSPACE_TOO_LARGE (hint: which variable),
 * ERR_SENSITIVE_FILES for what looks like a secret; or with what the walk said. */
int tree_admit(const struct resource *r, size_t n, const struct tree_limits *l,
	       const struct tree_visitor *v, struct tree_totals *totals, struct err *e);

#endif
