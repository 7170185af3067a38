/*
 * snapshot/undo - takes an apply back.  See snapshot.h.
 *
 * An undo is an apply of its own in undone/ of the snapshot's directory: cut off, it is finished by
 * the next call from the plan that lies there.  When all is done the record says pending, and only
 * then plan and kept files of both go, so that a crash between leaves something to go on from.
 *
 * If only some paths are to be undone, undone/paths has them, each with a NUL behind it; then the
 * plan of the apply is written anew without them, and the record says applied as before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "state/due.h"
#include "base/file.h"
#include "snapshot/private.h"

#define PATHS_MAX (16 << 20) /* bytes of the paths that one undo is for */

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

/* Some paths are undone: the apply in ${donefd} knows them no more, and the undo in ${statefd} has
 * ended. */
static int
forget_part(int donefd, int statefd, const struct selection *only, struct err *e)
{
	if (apply_forget(donefd, only, e) < 0)
		return -1;
	/* What says that it was begun goes first, and with it the paths. */
	if (unlinkat(statefd, "undo", 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the plan");
	return file_sync_dir(statefd, e) < 0 ? -1 : file_remove_tree(donefd, "undone", e);
}

/* The paths that an undo is for; none: all. */
struct paths {
	struct buf text;
	const char **list;
	size_t count;
};

/* Was an undo in ${statefd} cut off that has changed something, or all? */
static bool
is_begun(int statefd)
{
	static const char *const names[] = {"plan", "rollback", "undo"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (faccessat(statefd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* The paths in ${p}->text, each with a NUL behind it. */
static int
list_paths(struct paths *p, struct err *e)
{
	p->list = calloc(p->text.len + 1, sizeof *p->list);
	if (p->list == NULL)
		return err_memory(e);
	for (size_t at = 0; at < p->text.len; at += strlen(p->text.data + at) + 1)
		p->list[p->count++] = p->text.data + at;
	return 0;
}

/* Those that an undo was begun with in ${statefd}, else those that ${how} names, noted there. */
static int
choose_paths(int statefd, const struct snapshot_taking *how, struct paths *p, struct err *e)
{
	bool begun = is_begun(statefd);

	p->text = (struct buf)BUF_INIT(PATHS_MAX);
	for (size_t i = 0; !begun && i < how->only_count; i++)
		if (buf_add(&p->text, how->only[i], strlen(how->only[i]) + 1, e) < 0)
			return -1;
	if (begun && file_slurp(statefd, "paths", &p->text, e) < 0 && errno != ENOENT)
		return -1;
	if (!begun && !how->dry && p->text.len > 0 &&
	    file_replace(statefd, "paths", p->text.data, p->text.len, true, e) < 0)
		return -1;
	if (!begun && p->text.len == 0 && unlinkat(statefd, "paths", 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot begin an undo");
	return list_paths(p, e);
}

static int
run_undo(const struct record *r, int donefd, const struct snapshot_taking *how, bool *part,
	 struct apply_totals *totals, struct err *e)
{
	struct apply_job job = {.undo = true,
				.donefd = donefd,
				.statefd = -1,
				.fidelity = delegation_fidelity(r->json),
				.times = delegation_times(r->json),
				.dry = how->dry,
				.report = how->report,
				.report_arg = how->arg};
	struct apply_choice *choices = NULL;
	struct resource *resources;
	struct paths paths = {0};
	int status = -1;

	if (file_make_dirs(donefd, "undone", e) < 0 ||
	    snapshot_resources(r->json, &resources, &job.count, e) < 0)
		return -1;
	job.resources = resources;
	job.statefd = file_open_dir(donefd, "undone", e);
	if (job.statefd < 0 || choose_paths(job.statefd, how, &paths, e) < 0 ||
	    snapshot_choose(&job, how, &choices, e) < 0)
		goto out;
	job.only = selection_of(paths.list, paths.count, resources, job.count);
	*part = paths.count > 0;
	status = apply(&job, totals, e);
	if (status == 0 && *part && !how->dry)
		status = forget_part(donefd, job.statefd, &job.only, e);
	if ((status < 0 || how->dry) && job.statefd >= 0 && !is_begun(job.statefd))
		unlinkat(job.statefd, "paths", 0);
out:
	file_close(job.statefd);
	if (status < 0 || how->dry)
		unlinkat(donefd, "undone", AT_REMOVEDIR); /* fails if there is a plan in it */
	free(choices);
	free(paths.list);
	buf_free(&paths.text);
	snapshot_resources_free(resources, job.count);
	return status;
}

int
snapshot_undo(const char *delegation, const char *snap, const struct snapshot_taking *how,
	      struct apply_totals *totals, char undone[ID_MAX + 1], struct err *e)
{
	struct record r;
	char id[ID_MAX + 1];
	bool part = false;
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
	if (run_undo(&r, statefd, how, &part, totals, e) < 0)
		goto out;
	if (!how->dry && !part &&
	    (snapshot_mark(delegation, id, "pending", e) < 0 ||
	     snapshot_forget_undo(statefd, e) < 0))
		goto out;
	status = 0;
out:
	file_close(statefd);
	record_close(&r);
	return status;
}
