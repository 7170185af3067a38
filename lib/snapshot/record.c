/*
 * snapshot/record - snapshots as the delegation's record knows them, and their directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "log/lifecycle.h"
#include "snapshot/private.h"
#include "wire/members.h"

bool
snapshot_has_status(const json_t *snapshot, const char *status)
{
	return strcmp(snapshot_status(snapshot), status) == 0;
}

/* The one to take if nobody names one. */
static json_t *
pick_default(const json_t *list)
{
	json_t *item, *recommended = NULL, *pending = NULL, *applied = NULL;
	size_t i;

	json_array_foreach (list, i, item) {
		if (snapshot_has_status(item, "applied"))
			applied = item;
		if (!snapshot_has_status(item, "pending"))
			continue;
		pending = item;
		if (snapshot_recommended(item))
			recommended = item;
	}
	return recommended != NULL ? recommended : pending != NULL ? pending : applied;
}

json_t *
snapshot_pick(const json_t *delegation, const char *prefix, struct err *e)
{
	const json_t *list = delegation_snapshots(delegation);
	json_t *item, *found = NULL;
	size_t i;

	if (prefix == NULL) {
		found = pick_default(list);
		if (found == NULL) {
			err_set(e, ERR_NOT_FOUND, "%s has no snapshot", record_id(delegation));
			err_hint(e, "its state is %s", record_state(delegation));
		}
		return found;
	}
	json_array_foreach (list, i, item) {
		const char *id = snapshot_id(item);
		if (strcmp(id, prefix) == 0)
			return item;
		if (*prefix == '\0' || strncmp(id, prefix, strlen(prefix)) != 0)
			continue;
		if (found != NULL) {
			err_set(e, ERR_USAGE, "%s begins more than one snapshot's id", prefix);
			return NULL;
		}
		found = item;
	}
	if (found == NULL)
		err_set(e, ERR_NOT_FOUND, "there is no snapshot %s", prefix);
	return found;
}

/* The entry with just that id, or NULL. */
static json_t *
find_entry(const json_t *list, const char *id)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (strcmp(snapshot_id(item), id) == 0)
			return item;
	return NULL;
}

bool
snapshot_held(int dirfd, const char *id)
{
	char path[ID_MAX + 32];

	if (!id_valid(id))
		return false;
	snprintf(path, sizeof path, "snapshots/%s/manifest", id);
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

const json_t *
snapshot_open(struct record *r, const char *delegation, const char *snap, char id[ID_MAX + 1],
	      struct err *e)
{
	if (record_open(DELEGATIONS, delegation, false, r, e) < 0)
		return NULL;
	const json_t *snapshot = snapshot_pick(r->json, snap, e);
	if (snapshot != NULL)
		snprintf(id, ID_MAX + 1, "%s", snapshot_id(snapshot));
	return snapshot;
}

static int
open_directory(const struct record *r, const char *id, struct err *e)
{
	char path[ID_MAX + 16];

	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", id);
	snprintf(path, sizeof path, "snapshots/%s", id);
	int fd = file_open_beneath(r->dirfd, path, O_RDONLY | O_DIRECTORY, 0, e);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	err_set(e, ERR_NOT_FOUND, "the files of snapshot %s are gone", id);
	return err_hint(e, "they are removed when it is discarded");
}

int
snapshot_tree_open(struct snapshot_tree *s, const struct record *r, const char *id, struct err *e)
{
	s->came = s->sent = (struct tree){.manifestfd = -1, .archivefd = -1};
	int fd = open_directory(r, id, e);
	if (fd < 0)
		return -1;
	int status = tree_open(&s->came, fd, SNAPSHOT_MANIFEST, SNAPSHOT_ARCHIVE, e);
	close(fd);
	if (status < 0)
		return -1;
	s->came.base = &s->sent;
	return tree_open(&s->sent, r->dirfd, BASE_MANIFEST, BASE_ARCHIVE, e);
}

void
snapshot_tree_close(struct snapshot_tree *s)
{
	tree_close(&s->came);
	tree_close(&s->sent);
}

int
snapshot_open_locked(const struct record *r, const char *id, bool wait, struct err *e)
{
	int fd = open_directory(r, id, e);
	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		return err_set(e, ERR_BUSY, "snapshot %s is being applied", id);
	}
	return fd;
}

int
snapshot_remove_files(const struct record *r, const char *id, struct err *e)
{
	char path[ID_MAX + 16];

	snprintf(path, sizeof path, "snapshots/%s", id);
	return id_valid(id) ? file_remove_tree(r->dirfd, path, e) : 0;
}

int
snapshot_check_pending(const json_t *snapshot, struct err *e)
{
	if (snapshot_has_status(snapshot, "pending"))
		return 0;
	err_set(e, ERR_BAD_STATE, "snapshot %s is %s already", snapshot_id(snapshot),
		snapshot_status(snapshot));
	return err_hint(e, "awcp-snapshot list %s shows what is pending",
			snapshot_delegation_id(snapshot));
}

/* Change the entry ${snapshot} of the ${delegation}'s record; -1: out of memory. */
static int
set_status(json_t *delegation, json_t *snapshot, const char *status)
{
	char now[CLOCK_TEXT];
	const char *id = snapshot_id(snapshot);
	const char *current = delegation_applied_snapshot_id(delegation);
	bool applied = strcmp(status, "applied") == 0;
	bool undone = strcmp(status, "pending") == 0;

	clock_format(clock_now(), now);
	if (applied)
		current = id;
	else if (current != NULL && strcmp(current, id) == 0)
		current = NULL;
	delegation_drop_apply_error(delegation); /* of an earlier try */
	if (delegation_set_applied_snapshot_id(delegation, current) < 0 ||
	    snapshot_set_status(snapshot, status) < 0 ||
	    snapshot_set_applied_at(snapshot, applied ? now : NULL) < 0 ||
	    snapshot_set_undone_at(snapshot, undone ? now : NULL) < 0)
		return -1;
	return applied || undone ? 0 : snapshot_set_local_path(snapshot, NULL);
}

int
snapshot_mark(const char *delegation, const char *id, const char *status, struct err *e)
{
	struct record r;
	char previous[24];
	int result = -1;

	if (record_open(DELEGATIONS, delegation, true, &r, e) < 0)
		goto out;
	json_t *snapshot = snapshot_pick(r.json, id, e);
	if (snapshot == NULL)
		goto out;
	if (strcmp(status, "discarded") == 0 && snapshot_check_pending(snapshot, e) < 0)
		goto out;
	snprintf(previous, sizeof previous, "%s", snapshot_status(snapshot));
	if (set_status(r.json, snapshot, status) < 0) {
		err_memory(e);
		goto out;
	}
	if (delegation_save(&r, true, e) < 0)
		goto out;
	if (strcmp(previous, status) != 0)
		lifecycle_note("snapshot", r.id, snapshot_id(snapshot), previous, status, NULL);
	if (strcmp(status, "applied") == 0)
		r.hook = "applied";
	result = 0;
out:
	delegation_close(&r);
	return result;
}

/* Discard the oldest pending snapshot that nobody recommended if there are as many as may be. */
static int
discard_surplus(struct record *r, json_t *list, struct err *e)
{
	json_t *item, *oldest = NULL;
	int64_t pending = 0;
	size_t i;

	json_array_foreach (list, i, item) {
		if (!snapshot_has_status(item, "pending"))
			continue;
		pending++;
		if (oldest == NULL && !snapshot_recommended(item))
			oldest = item;
	}
	if (pending < delegation_max_snapshots(r->json) || oldest == NULL)
		return 0;
	if (snapshot_set_status(oldest, "discarded") < 0 ||
	    snapshot_set_local_path(oldest, NULL) < 0)
		return err_memory(e);
	return snapshot_remove_files(r, snapshot_id(oldest), e);
}

/* Fill the new entry ${o}: -1 if memory is out. */
static int
fill_entry(json_t *o, const struct record *r, const char *id, const json_t *event, json_t *metadata)
{
	char now[CLOCK_TEXT], path[2 * ID_MAX + 64];
	json_t *highlights = event_highlights(event);

	if (snapshot_set_id(o, id) < 0 || snapshot_set_delegation_id(o, r->id) < 0 ||
	    snapshot_set_summary(o, event_summary(event)) < 0 ||
	    snapshot_set_status(o, "pending") < 0 ||
	    snapshot_set_created_at(o, clock_format(clock_now(), now)) < 0)
		return -1;
	if (json_is_array(highlights) && snapshot_set_highlights(o, json_incref(highlights)) < 0)
		return -1;
	if (metadata != NULL && snapshot_set_metadata(o, json_incref(metadata)) < 0)
		return -1;
	if (event_recommended(event) && snapshot_set_recommended(o, true) < 0)
		return -1;
	if (!snapshot_held(r->dirfd, id))
		return 0;
	snprintf(path, sizeof path, DELEGATIONS "/%s/snapshots/%s", r->id, id);
	return snapshot_set_local_path(o, path);
}

int
snapshot_add(struct record *r, const char *id, const json_t *event, json_t *metadata, struct err *e)
{
	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", id);
	json_t *list = delegation_snapshots(r->json);
	if (list == NULL && delegation_set_snapshots(r->json, list = json_array()) < 0)
		return err_memory(e);
	const json_t *known = find_entry(list, id);
	if (known != NULL)
		return snapshot_has_status(known, "discarded") ? snapshot_remove_files(r, id, e)
							       : 0;
	if (discard_surplus(r, list, e) < 0)
		return -1;
	json_t *o = json_object();
	if (o == NULL || fill_entry(o, r, id, event, metadata) < 0) {
		json_decref(o);
		return err_memory(e);
	}
	return json_array_append_new(list, o) < 0 ? err_memory(e) : 0;
}

int
snapshot_recommend(struct record *r, const char *id, struct err *e)
{
	json_t *list = delegation_snapshots(r->json), *item;
	json_t *chosen = find_entry(list, id);
	size_t i;

	if (chosen == NULL)
		return 0;
	json_array_foreach (list, i, item) {
		snapshot_drop_recommended(item);
	}
	return snapshot_set_recommended(chosen, true) < 0 ? err_memory(e) : 0;
}
