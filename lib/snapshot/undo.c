/*
 * snapshot/undo - takes an apply back.  See snapshot.h.
 *
 * An undo is an apply of its own in undone/ of the snapshot's directory: cut off, it is finished by
 * the next call from the plan that lies there.  When all is done the record says pending, and only
 * then plan and kept files of both go, so that a crash between leaves something to go on from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "state/due.h"
#include "base/file.h"
#include "snapshot/private.h"

int
snapshot_forget_undo(int statefd, struct err *e)
{
	if (faccessat(statefd, "undone", F_OK, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_sys(e, "cannot look for an undo");
	/* undone/ is the last: it says that there is something to clear away. */
	if (unlinkat(statefd, "undo", 0) && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	if (file_remove_tree(statefd, "kept", e) < 0 || file_sync_dir(statefd, e) < 0)
		return -1;
	return file_remove_tree(statefd, "undone", e);
}

/* The one that was applied last. */
static const json_t *
pick_applied(const json_t *delegation, struct err *e)
{
	const json_t *item, *found = NULL;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation), i, item) {
		if (snapshot_has_status(item, "applied") &&
		    (found == NULL ||
		     strcmp(snapshot_applied_at(item), snapshot_applied_at(found)) >= 0))
			found = item;
	}
	if (found == NULL)
		err_set(e, ERR_BAD_STATE, "no snapshot of %s is applied", record_id(delegation));
	return found;
}

static int
check_applied(const json_t *snapshot, struct err *e)
{
	if (snapshot_has_status(snapshot, "applied"))
		return 0;
	return err_set(e, ERR_BAD_STATE, "snapshot %s is %s, not applied", snapshot_id(snapshot),
		       snapshot_status(snapshot));
}

static int
run_undo(const struct record *r, int donefd, const struct snapshot_taking *how,
	 struct apply_totals *totals, struct err *e)
{
	struct apply_job job = {.undo = true,
				.donefd = donefd,
				.fidelity = delegation_fidelity(r->json),
				.times = delegation_times(r->json),
				.dry = how->dry,
				.report = how->report,
				.report_arg = how->arg};
	struct resource *resources;
	int status = -1;

	if (file_make_dirs(donefd, "undone", e) < 0 ||
	    snapshot_resources(r->json, &resources, &job.count, e) < 0)
		return -1;
	job.resources = resources;
	job.statefd = file_open_dir(donefd, "undone", e);
	if (job.statefd >= 0) {
		status = apply(&job, totals, e);
		close(job.statefd);
	}
	if (how->dry)
		unlinkat(donefd, "undone", AT_REMOVEDIR); /* fails if there is a plan in it */
	snapshot_resources_free(resources, job.count);
	return status;
}

int
snapshot_undo(const char *delegation, const char *snap, const struct snapshot_taking *how,
	      struct apply_totals *totals, char undone[ID_MAX + 1], struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	int status = -1, statefd = -1;

	*totals = (struct apply_totals){0};
	if (record_open(DELEGATIONS, delegation, false, &r, e) < 0)
		goto out;
	const json_t *snapshot =
	    snap != NULL ? snapshot_pick(r.json, snap, e) : pick_applied(r.json, e);
	if (snapshot == NULL || check_applied(snapshot, e) < 0)
		goto out;
	snprintf(id, sizeof id, "%s", snapshot_id(snapshot));
	memcpy(undone, id, sizeof id);
	statefd = snapshot_open_locked(&r, id, true, e);
	if (statefd < 0)
		goto out;
	if (!how->dry)
		due_set(DELEGATION_DUE, delegation, clock_now() + DELEGATION_CUT_OFF_MS);
	if (run_undo(&r, statefd, how, totals, e) < 0)
		goto out;
	if (!how->dry && (snapshot_mark(delegation, id, "pending", e) < 0 ||
			  snapshot_forget_undo(statefd, e) < 0))
		goto out;
	status = 0;
out:
	file_close(statefd);
	record_close(&r);
	return status;
}
