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

/* The mode that it gets here, whatever a peer says that keeps none. */
static mode_t
mode_here(const struct entry *before, const struct entry *after)
{
	if (before != NULL && before->type == after->type)
		return before->mode;
	return after->type == 'f' ? 0644 : after->mode;
}

int
snapshot_compare(const json_t *delegation, const struct tree *came, enum guarded let,
		 snapshot_each *each, void *arg, struct err *e)
{
	bool fidelity = delegation_fidelity(delegation);
	struct resource *resources;
	const struct entry *before, *after;
	struct entry kept;
	size_t count;
	int n = -1;

	if (snapshot_resources(delegation, &resources, &count, e) < 0)
		return -1;
	struct compare *c = compare_open(came, resources, count, let, e);
	if (c == NULL)
		goto out;
	while ((n = compare_next(c, &before, &after, e)) > 0) {
		unsigned delta = compare_delta(before, after, fidelity, false);
		if (delta == 0)
			continue;
		if (!fidelity && after != NULL) {
			kept = *after;
			kept.mode = mode_here(before, after);
			after = &kept;
		}
		const struct snapshot_change change = {
		    .kind = kind_of(delta),
		    .path = before != NULL ? before->path : after->path,
		    .before = before,
		    .after = after,
		    .guarded = compare_guarded(c),
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
		status = snapshot_compare(r->json, &trees.came, GUARD_NEVER, each, arg, e);
	snapshot_tree_close(&trees);
	return status;
}
