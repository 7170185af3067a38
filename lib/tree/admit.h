/*
 * admit - whether directories may be sent: how much there is in them, and nothing secret.
 */
#ifndef TREE_ADMIT_H
#define TREE_ADMIT_H

#include "tree/tree.h"

/* Bounds on what may be sent, and what would be. */
struct tree_limits {
	uint64_t bytes; /* in all */
	uint64_t files;
	uint64_t file_bytes; /* in one file */
	bool sensitive_ok;   /* names such as .env or id_rsa may be sent */
};

struct tree_totals {
	uint64_t bytes;
	uint64_t files;
	uint64_t directories;
	uint64_t links;
};

/* The limits in force: AWCP_MAX_BYTES (100M), AWCP_MAX_FILES (10000), AWCP_MAX_FILE_BYTES (50M),
 * AWCP_SENSITIVE=allow. */
int tree_limits(struct tree_limits *l, struct err *e);

/* Count a file of ${size} bytes in ${totals}: 0, or -1 with ERR_WORKSPACE_TOO_LARGE if that is more
 * than ${l} allows. */
int tree_count(const struct tree_limits *l, const char *path, uint64_t size,
	       struct tree_totals *totals, struct err *e);

/* Called for every entry of a walk; returns 0, or what ends it. */
struct tree_visitor {
	int (*each)(void *arg, const struct entry *entry);
	void *arg;
};

/* Check that what would be sent stays within ${l}, before anything is sent; ${v} (or NULL) sees
 * every entry.  Fails with ERR_WORKSPACE_TOO_LARGE (hint: which variable), ERR_SENSITIVE_FILES (the
 * first name, how many more) or what the walk said. */
int tree_admit(const struct resource *r, size_t n, const struct tree_limits *l,
	       const struct tree_visitor *v, struct tree_totals *totals, struct err *e);

#endif
