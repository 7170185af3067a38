/*
 * snapshot/changes - what a snapshot changes, without applying it.  See snapshot.h.
 */
#include "delegation/members.h"
#include "snapshot/private.h"
#include "tree/compare.h"

static char
kind_of(unsigned delta)
{
	return delta & COMPARE_ADDED     ? 'A'
	       : delta & COMPARE_DELETED ? 'D'
	       : delta & COMPARE_TYPE    ? 'T'
	       : delta & COMPARE_CONTENT ? 'M'
					 : 'm';
}

int
snapshot_compare(const json_t *delegation, const struct tree *came, snapshot_each *each, void *arg,
		 struct err *e)
{
	bool fidelity = delegation_fidelity(delegation);
	struct resource *resources;
	const struct entry *before, *after;
	struct entry kept;
	size_t count;
	int n = -1;

	if (snapshot_resources(delegation, &resources, &count, e) < 0)
		return -1;
	struct compare *c = compare_open(came, resources, count, e);
	if (c == NULL)
		goto out;
	while ((n = compare_next(c, &before, &after, e)) > 0) {
		unsigned delta = compare_delta(before, after, fidelity, false);
		if (delta == 0)
			continue;
		if (!fidelity && before != NULL && after != NULL && before->type == after->type) {
			kept = *after;
			kept.mode = before->mode;
			after = &kept;
		}
		const struct snapshot_change change = {
		    .kind = kind_of(delta),
		    .path = before != NULL ? before->path : after->path,
		    .before = before,
		    .after = after,
		};
		if ((n = each(arg, &change, e)) < 0)
			break;
	}
out:
	compare_close(c);
	snapshot_resources_free(resources, count);
	return n;
}

int
snapshot_changes(const struct record *r, const char *snap, snapshot_each *each, void *arg,
		 struct err *e)
{
	struct snapshot_tree trees;

	int status = snapshot_tree_open(&trees, r, snap, e);
	if (status == 0)
		status = snapshot_compare(r->json, &trees.came, each, arg, e);
	snapshot_tree_close(&trees);
	return status;
}
