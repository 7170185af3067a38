/*
 * snapshot - what came back is applied or discarded.  See snapshot.h.
 */
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "snapshot/private.h"
#include "state/due.h"

static int
run_apply(const struct record *r, const char *id, int statefd, const struct snapshot_taking *how,
	  struct apply_totals *totals, struct err *e)
{
	struct snapshot_tree trees;
	struct resource *resources;
	struct apply_job job = {.theirs = &trees.came,
				.statefd = statefd,
				.fidelity = delegation_fidelity(r->json),
				.times = delegation_times(r->json),
				.dry = how->dry,
				.guarded = how->guarded,
				.markers = how->markers,
				.modes = how->modes,
				.report = how->report,
				.report_arg = how->arg};
	struct apply_choice *choices;

	if (snapshot_resources(r->json, &resources, &job.count, e) < 0)
		return -1;
	job.resources = resources;
	int status = snapshot_tree_open(&trees, r, id, e);
	if (status == 0)
		status = snapshot_choose(&job, how, &choices, e);
	if (status == 0) {
		status = apply(&job, totals, e);
		free(choices);
	}
	snapshot_tree_close(&trees);
	snapshot_resources_free(resources, job.count);
	return status;
}

int
snapshot_apply(const char *delegation, const char *snap, const struct snapshot_taking *how,
	       struct apply_totals *totals, char taken[ID_MAX + 1], struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	int status = -1, statefd = -1;

	*totals = (struct apply_totals){0};
	const json_t *snapshot = snapshot_open(&r, delegation, snap, id, e);
	if (snapshot == NULL || snapshot_check_pending(snapshot, e) < 0)
		goto out;
	if (taken != NULL)
		memcpy(taken, id, sizeof id);
	statefd = snapshot_open_locked(&r, id, true, e);
	if (statefd < 0)
		goto out;
	if (!how->dry) {
		due_set(DELEGATION_DUE, delegation, clock_now() + DELEGATION_CUT_OFF_MS);
		if (snapshot_forget_undo(statefd, e) < 0)
			goto out;
	}
	if (run_apply(&r, id, statefd, how, totals, e) < 0)
		goto out;
	status = how->dry ? 0 : snapshot_mark(delegation, id, "applied", e);
out:
	file_close(statefd);
	record_close(&r);
	return status;
}

static bool
exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
clear_stages(const struct record *r, int statefd, struct err *e)
{
	struct resource *resources;
	struct apply_totals totals;
	size_t count;
	int status = -1;

	if (snapshot_resources(r->json, &resources, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct apply_job job = {
		    .clear = true, .statefd = statefd, .resources = &resources[i], .count = 1};
		/* In a directory that is gone there is none. */
		int fd = resource_open(&resources[i], e);
		file_close(fd);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (apply(&job, &totals, e) < 0)
			goto out;
	}
	status = 0;
out:
	snapshot_resources_free(resources, count);
	return status;
}

/* An apply or undo, with its state in ${statefd}, that was cut off before it changed anything may
 * have left a stage in the directories. */
static int
clear_unbegun(const struct record *r, int statefd, struct err *e)
{
	if (statefd < 0 || !exists(statefd, "plan.new"))
		return 0;
	if (clear_stages(r, statefd, e) < 0 || file_remove_tree(statefd, "fresh", e) < 0)
		return -1;
	if (unlinkat(statefd, "plan.new", 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	return 0;
}

/* Was an apply cut off in the midst of its changes? */
static bool
is_begun(int statefd)
{
	return exists(statefd, "plan") || exists(statefd, "rollback") ||
	       (exists(statefd, "undo") && !exists(statefd, "undone"));
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
	if (fd >= 0 && (is_begun(fd) || exists(fd, "undo"))) {
		close(fd);
		return -1;
	}
	return fd;
}

int
snapshot_clear(const char *delegation, const char *snap, struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	int status = -1, statefd = -1, unbegun = -1;

	const json_t *snapshot = snapshot_open(&r, delegation, snap, id, e);
	if (snapshot == NULL)
		goto out;
	bool applied = snapshot_has_status(snapshot, "applied");
	statefd = snapshot_open_locked(&r, id, false, e);
	if (statefd < 0)
		goto out;
	unbegun = open_unbegun(statefd, applied);
	if (clear_unbegun(&r, unbegun, e) < 0)
		goto out;
	if (applied)
		unlinkat(statefd, "undone", AT_REMOVEDIR); /* fails if there is a plan in it */
	status = 0;
out:
	file_close(unbegun);
	file_close(statefd);
	record_close(&r);
	return status;
}

/* Have the record say discarded, unless an apply of the snapshot was cut off. */
static int
mark_discarded(const struct record *r, const json_t *snapshot, const char *id, struct err *e)
{
	int status = -1;

	if (snapshot_check_pending(snapshot, e) < 0)
		return -1;
	int statefd = snapshot_open_locked(r, id, false, e);
	if (statefd < 0 && e->code != ERR_NOT_FOUND)
		return -1;
	if (statefd >= 0 && is_begun(statefd)) {
		err_set(e, ERR_BAD_STATE, "an apply of snapshot %s was cut off", id);
		err_hint(e, "finish it first: awcp-snapshot apply %s %s", r->id, id);
		goto out;
	}
	if (clear_unbegun(r, statefd, e) < 0)
		goto out;
	status = snapshot_mark(r->id, id, "discarded", e);
out:
	file_close(statefd);
	return status;
}

int
snapshot_discard(const char *delegation, const char *snap, char refused[ID_MAX + 1], struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	int status = -1;

	const json_t *snapshot = snapshot_open(&r, delegation, snap, id, e);
	if (snapshot == NULL)
		goto out;
	if (refused != NULL)
		memcpy(refused, id, sizeof id);
	if (!snapshot_has_status(snapshot, "discarded") && mark_discarded(&r, snapshot, id, e) < 0)
		goto out;
	status = snapshot_remove_files(&r, id, e);
out:
	record_close(&r);
	return status;
}
