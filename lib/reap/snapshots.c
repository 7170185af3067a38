/*
 * Snapshots: an apply or an undo that was cut off is finished; the files for an undo are removed
 * when their time is over, and surplus snapshots that wait are discarded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "delegation/members.h"
#include "reap/private.h"

static bool
has_file(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Open the directory of snapshot ${id}, so that nobody works with it; -1 if it is not there, or
 * ${busy}: somebody does. */
static int
open_snapshot(const struct record *delegation, const char *id, bool *busy)
{
	char path[ID_MAX + 16];

	*busy = false;
	if (!id_valid(id))
		return -1;
	(void)snprintf(path, sizeof path, "snapshots/%s", id);
	int fd = file_open_beneath(delegation->dirfd, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	*busy = fd >= 0;
	file_close(fd);
	return -1;
}

/* Which command finishes what was begun in ${fd} and cut off, or, if that changed nothing yet,
 * takes it away; NULL: nothing was.  It may all be done but for the record, which says in which
 * state the snapshot was. */
static const char *
cut_off_command(int fd, bool applied)
{
	static const struct {
		const char *undone, *command;
	} marks[] = {{"undone/plan", "undo"},
		     {"undone/rollback", "undo"},
		     {"undone/undo", "undo"},
		     {"undone/plan.new", "clear"}};

	for (size_t i = 0; applied && i < sizeof marks / sizeof marks[0]; i++)
		if (has_file(fd, marks[i].undone))
			return marks[i].command;
	if (applied)
		return NULL;
	if (has_file(fd, "plan") || has_file(fd, "rollback") ||
	    (has_file(fd, "undo") && !has_file(fd, "undone")))
		return "apply";
	return has_file(fd, "plan.new") ? "clear" : NULL;
}

/* Let awcp-snapshot do ${what} to snapshot ${id}. */
static int64_t
start_command(struct reap *r, struct record *delegation, enum reap_kind kind, const char *what,
	      const char *id, const char *why)
{
	char *const argv[] = {(char *)"awcp-snapshot", (char *)(uintptr_t)what, delegation->id,
			      (char *)(uintptr_t)id, NULL};
	struct reap_action action;
	struct err e;

	reap_describe(&action, kind, delegation->id, what, "%s %s", id, why);
	if (kind == REAP_RETENTION ? !reap_may_remove(r, &action) : !reap_may(r, &action))
		return -1;
	int status = reap_start(r, delegation, argv, &e);
	if (status < 0 && e.code == ERR_BUSY)
		return -1;
	reap_done(r, &action, status, &e);
	return r->now + REAP_RETRY_MS; /* has it come to an end? */
}

/* The files for an undo of the applied snapshot ${fd} go when it is time.  Returns when. */
static int64_t
forget_undo(struct reap *r, const struct record *delegation, int fd, const json_t *snapshot)
{
	int64_t applied;
	struct reap_action action;
	char span[32];
	struct err e;

	if (!has_file(fd, "undo") || clock_parse(snapshot_applied_at(snapshot), &applied, NULL) < 0)
		return INT64_MAX;
	if (applied + r->limits.undo_retention > r->now)
		return applied + r->limits.undo_retention;
	reap_describe(&action, REAP_RETENTION, delegation->id, "forget-undo",
		      "%s was applied %s ago", snapshot_id(snapshot),
		      reap_span(r->now - applied, span));
	if (!reap_may_remove(r, &action))
		return -1;
	/* The plan first: without it nobody takes what is left of the files for an undo. */
	int status = unlinkat(fd, "undo", 0) < 0 && errno != ENOENT
			 ? err_sys(&e, "cannot remove the plan")
			 : reap_remove(fd, "kept", &e);
	reap_done(r, &action, status, &e);
	return status < 0 ? r->now + REAP_RETRY_MS : INT64_MAX;
}

static int64_t
check_snapshot(struct reap *r, struct record *delegation, const json_t *snapshot)
{
	const char *id = snapshot_id(snapshot);
	bool applied = strcmp(snapshot_status(snapshot), "applied") == 0;
	bool pending = strcmp(snapshot_status(snapshot), "pending") == 0;
	int64_t next = INT64_MAX;
	bool busy;

	if (!applied && !pending)
		return next;
	int fd = open_snapshot(delegation, id, &busy);
	if (fd < 0)
		return next;
	const char *what = cut_off_command(fd, applied);
	if (what == NULL && applied)
		next = forget_undo(r, delegation, fd, snapshot);
	file_close(fd);
	if (what != NULL)
		next = start_command(r, delegation, REAP_APPLIES, what, id, "was cut off");
	return next;
}

const char *
reap_snapshot_pending(const json_t *delegation)
{
	json_t *one;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation), i, one)
		if (strcmp(snapshot_status(one), "pending") == 0)
			return snapshot_id(one);
	return NULL;
}

bool
reap_snapshot_busy(const struct record *delegation)
{
	bool busy = false;
	json_t *one;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation->json), i, one) {
		bool applied = strcmp(snapshot_status(one), "applied") == 0;
		int fd = open_snapshot(delegation, snapshot_id(one), &busy);
		if (busy || (fd >= 0 && cut_off_command(fd, applied) != NULL)) {
			file_close(fd);
			return true;
		}
		file_close(fd);
	}
	return false;
}

/* The oldest pending snapshot, if there are too many; else NULL. */
static const char *
surplus_snapshot(const json_t *json)
{
	int64_t max = delegation_max_snapshots(json);
	const char *oldest = NULL;
	int64_t pending = 0;
	json_t *one;
	size_t i;

	json_array_foreach (delegation_snapshots(json), i, one) {
		if (strcmp(snapshot_status(one), "pending") != 0)
			continue;
		pending++;
		if (oldest == NULL && !snapshot_recommended(one))
			oldest = snapshot_id(one);
	}
	return pending > max ? oldest : NULL;
}

int64_t
reap_snapshots(struct reap *r, struct record *delegation)
{
	int64_t next = INT64_MAX;
	json_t *one;
	size_t i;

	json_array_foreach (delegation_snapshots(delegation->json), i, one) {
		int64_t when = check_snapshot(r, delegation, one);
		if (when < 0)
			return when;
		next = when < next ? when : next;
	}
	const char *id = surplus_snapshot(delegation->json);
	if (id == NULL)
		return next;
	int64_t when =
	    start_command(r, delegation, REAP_RETENTION, "discard", id, "is one too many");
	return when < next ? when : next;
}
