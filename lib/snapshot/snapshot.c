/*
 * snapshot - what came back is taken or refused.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "delegation/due.h"
#include "delegation/members.h"
#include "state/due.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "log/lifecycle.h"
#include "snapshot/snapshot.h"
#include "snapshot/private.h"

static int
open_in(int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open %s", name) : fd;
}

static int
run_apply(const struct record *r, int statefd, struct apply_job *job,
	  const struct snapshot_taking *how, struct apply_totals *totals, struct err *e)
{
	struct resource *resources;
	int status = -1;
	job->statefd = statefd;
	job->fidelity = delegation_fidelity(r->json);
	job->times = delegation_times(r->json);
	if (snapshot_resources(r->json, &resources, &job->count, e))
		return -1;
	job->resources = resources;
	job->settle_only = selection_of(how->paths, how->count, resources, job->count);
	job->basefd = open_in(r->dirfd, "base.manifest", e);
	job->sentfd = job->basefd < 0 ? -1 : open_in(r->dirfd, "base.archive", e);
	job->theirsfd = job->sentfd < 0 ? -1 : open_in(statefd, "manifest", e);
	job->archivefd = job->theirsfd < 0 ? -1 : open_in(statefd, "data.tar.zst", e);
	if (job->archivefd >= 0)
		status = apply(job, totals, e);
	file_close(job->archivefd);
	file_close(job->theirsfd);
	file_close(job->sentfd);
	file_close(job->basefd);
	snapshot_resources_free(resources, job->count);
	return status;
}

int
snapshot_apply(const char *delegation, const char *snap, const struct snapshot_taking *how,
	       struct apply_totals *totals, char taken[ID_MAX + 1], struct err *e)
{
	struct record r;
	struct apply_job job = {.dry = how->dry,
				.settle = how->settle,
				.markers = how->markers,
				.report = how->report,
				.report_arg = how->arg};
	char id[ID_MAX + 1];
	int status = -1;
	*totals = (struct apply_totals){0};
	if (record_open(DELEGATIONS, delegation, false, &r, e))
		goto out;
	const json_t *snapshot = snapshot_pick(r.json, snap, e);
	if (!snapshot || (snprintf(id, sizeof id, "%s", snapshot_id(snapshot)),
			  snapshot_check_pending(snapshot, e)))
		goto out;
	if (taken)
		memcpy(taken, id, sizeof id);
	int statefd = snapshot_open_locked(&r, id, true, e);
	if (statefd < 0)
		goto out;
	if (!how->dry)
		due_set(DELEGATION_DUE, delegation, clock_now() + DELEGATION_CUT_OFF_MS);
	if (how->dry || snapshot_forget_undo(statefd, e) == 0)
		status = run_apply(&r, statefd, &job, how, totals, e);
	if (status == 0 && !how->dry)
		status = snapshot_mark(delegation, id, "applied", e);
	close(statefd);
out:
	record_close(&r);
	return status;
}

static bool
there(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An apply or undo, with its state in ${statefd}, that was cut off before it changed anything may
 * have left a stage in the directories.  In one that is gone there is none. */
static int
clear_stage(const struct record *r, int statefd, struct err *e)
{
	struct resource *resources;
	struct apply_totals totals;
	size_t count;
	int status = 0;
	if (statefd < 0 || !there(statefd, "plan.new"))
		return 0;
	if (snapshot_resources(r->json, &resources, &count, e))
		return -1;
	for (size_t i = 0; i < count && status == 0; i++) {
		const struct apply_job job = {
		    .clear = true, .statefd = statefd, .resources = &resources[i], .count = 1};
		if (there(AT_FDCWD, resources[i].source) || errno != ENOENT)
			status = apply(&job, &totals, e);
	}
	snapshot_resources_free(resources, count);
	if (status || file_remove_tree(statefd, "fresh", e))
		return -1;
	if (unlinkat(statefd, "plan.new", 0) && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	return 0;
}

/* Was an apply cut off in the midst of its changes? */
static bool
is_begun(int statefd)
{
	return there(statefd, "plan") || there(statefd, "rollback") ||
	       (there(statefd, "undo") && !there(statefd, "undone"));
}

/* The state of an apply or, of an applied snapshot, of its undo, if that was cut off before it
 * changed anything; -1. */
static int
open_unbegun(int statefd, bool applied)
{
	if (!applied)
		return is_begun(statefd) ? -1
					 : openat(statefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(statefd, "undone", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (is_begun(fd) || there(fd, "undo"))) {
		file_close(fd);
		fd = -1;
	}
	return fd;
}

int
snapshot_clear(const char *delegation, const char *snap, struct err *e)
{
	struct record r;
	int status = -1;
	if (record_open(DELEGATIONS, delegation, false, &r, e))
		goto out;
	const json_t *snapshot = snapshot_pick(r.json, snap, e);
	if (!snapshot)
		goto out;
	bool applied = snapshot_has_status(snapshot, "applied");
	int statefd = snapshot_open_locked(&r, snapshot_id(snapshot), false, e);
	if (statefd < 0)
		goto out;
	int fd = open_unbegun(statefd, applied);
	status = clear_stage(&r, fd, e);
	if (status == 0 && applied)
		(void)unlinkat(statefd, "undone", AT_REMOVEDIR); /* not if there is a plan in it */
	file_close(fd);
	close(statefd);
out:
	record_close(&r);
	return status;
}

int
snapshot_discard(const char *delegation, const char *snap, char refused[ID_MAX + 1], struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	int status = -1;
	if (record_open(DELEGATIONS, delegation, false, &r, e))
		goto out;
	const json_t *snapshot = snapshot_pick(r.json, snap, e);
	if (!snapshot)
		goto out;
	snprintf(id, sizeof id, "%s", snapshot_id(snapshot));
	if (refused)
		memcpy(refused, id, sizeof id);
	if (!snapshot_has_status(snapshot, "discarded")) {
		if (snapshot_check_pending(snapshot, e))
			goto out;
		int statefd = snapshot_open_locked(&r, id, false, e);
		if (statefd < 0 && e->code != ERR_NOT_FOUND)
			goto out;
		bool cut_off = statefd >= 0 && is_begun(statefd);
		if (cut_off) {
			err_set(e, ERR_BAD_STATE, "an apply of snapshot %s was cut off", id);
			err_hint(e, "finish it first: awcp-snapshot apply %s %s", r.id, id);
		}
		int marked = cut_off || clear_stage(&r, statefd, e)
				 ? -1
				 : snapshot_mark(delegation, id, "discarded", e);
		file_close(statefd);
		if (marked)
			goto out;
	}
	status = snapshot_remove_files(&r, id, e);
out:
	record_close(&r);
	return status;
}
