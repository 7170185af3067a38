/*
 * snapshot - what came back from a delegation, until it is taken or refused.  See snapshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "delegation.h"
#include "file.h"
#include "jsonx.h"
#include "snapshot.h"

#define DEFAULT_MAX 10 /* snapshots; AWCP v1 snapshotPolicy.maxSnapshots */

static int
by_name(const void *a, const void *b)
{
	const struct resource *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int
add_patterns(struct filter *f, const json_t *list,
	     int (*add)(struct filter *f, const char *pattern, struct err *e), struct err *e)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		const char *pattern = json_string_value(item);
		if (pattern && add(f, pattern, e))
			return -1;
	}
	return 0;
}

static int
read_resource(const json_t *o, struct resource *r, struct err *e)
{
	const char *name = jsonx_string(o, "name", 255, e);
	const char *source = jsonx_string(o, "source", TREE_PATH, e);
	if (!name || !source)
		return -1;
	if (!resource_name_valid(name) || *source != '/')
		return err_set(e, ERR_BAD_DATA, "the record has a bad resource: %s", name);
	r->writable = strcmp(jsonx_text(o, "mode", "ro"), "rw") == 0;
	r->name = strdup(name);
	r->source = strdup(source);
	if (!r->name || !r->source)
		return err_memory(e);
	r->filter = filter_new(e);
	if (!r->filter)
		return -1;
	if (add_patterns(r->filter, json_object_get(o, "exclude"), filter_exclude, e) ||
	    add_patterns(r->filter, json_object_get(o, "include"), filter_include, e))
		return -1;
	return 0;
}

int
snapshot_resources(const json_t *delegation, struct resource **resources, size_t *count,
		   struct err *e)
{
	const json_t *list = jsonx_at(delegation, "environment.resources");
	size_t i;
	json_t *item;
	*count = json_array_size(list);
	*resources = calloc(*count + 1, sizeof **resources);
	if (!*resources)
		return err_memory(e);
	json_array_foreach(list, i, item) if (read_resource(item, &(*resources)[i], e))
	{
		snapshot_resources_free(*resources, *count);
		*resources = NULL;
		*count = 0;
		return err_add(e, "environment.resources");
	}
	qsort(*resources, *count, sizeof **resources, by_name);
	return 0;
}

void
snapshot_resources_free(struct resource *resources, size_t count)
{
	for (size_t i = 0; resources && i < count; i++) {
		free(resources[i].name);
		free(resources[i].source);
		filter_free(resources[i].filter);
	}
	free(resources);
}

static bool
has_status(const json_t *snapshot, const char *status)
{
	return strcmp(jsonx_text(snapshot, "status", ""), status) == 0;
}

/* The one to take if nobody names one. */
static json_t *
pick_default(const json_t *list)
{
	json_t *item, *recommended = NULL, *pending = NULL, *applied = NULL;
	size_t i;
	json_array_foreach(list, i, item)
	{
		if (has_status(item, "applied"))
			applied = item;
		if (!has_status(item, "pending"))
			continue;
		pending = item;
		if (json_is_true(json_object_get(item, "recommended")))
			recommended = item;
	}
	return recommended ? recommended : pending ? pending : applied;
}

json_t *
snapshot_pick(const json_t *delegation, const char *prefix, struct err *e)
{
	const json_t *list = json_object_get(delegation, "snapshots");
	json_t *item, *found = NULL;
	size_t i;
	if (!prefix) {
		found = pick_default(list);
		if (!found) {
			err_set(e, ERR_NOT_FOUND, "%s has no snapshot",
				jsonx_text(delegation, "id", "the delegation"));
			err_hint(e, "its state is %s",
				 jsonx_text(delegation, "state", "not known"));
		}
		return found;
	}
	json_array_foreach(list, i, item)
	{
		const char *id = jsonx_text(item, "id", "");
		if (strcmp(id, prefix) == 0)
			return item;
		if (*prefix == '\0' || strncmp(id, prefix, strlen(prefix)) != 0)
			continue;
		if (found) {
			err_set(e, ERR_USAGE, "%s begins more than one snapshot's id", prefix);
			return NULL;
		}
		found = item;
	}
	if (!found)
		err_set(e, ERR_NOT_FOUND, "there is no snapshot %s", prefix);
	return found;
}

static int
remove_files(const struct record *r, const char *id, struct err *e)
{
	char path[ID_MAX + 16];
	snprintf(path, sizeof path, "snapshots/%s", id);
	return id_valid(id) ? file_remove_tree(r->dirfd, path, e) : 0;
}

/* Room for one more: the oldest that waits and that nobody recommended makes way. */
static int
make_room(struct record *r, json_t *list, struct err *e)
{
	int64_t max = jsonx_number(r->json, "snapshotPolicy.maxSnapshots", DEFAULT_MAX);
	json_t *item, *oldest = NULL;
	int64_t pending = 0;
	size_t i;
	json_array_foreach(list, i, item)
	{
		if (!has_status(item, "pending"))
			continue;
		pending++;
		if (!oldest && !json_is_true(json_object_get(item, "recommended")))
			oldest = item;
	}
	if (pending < max || !oldest)
		return 0;
	if (jsonx_set(oldest, "status", "discarded") || jsonx_set(oldest, "localPath", NULL))
		return err_memory(e);
	return remove_files(r, jsonx_text(oldest, "id", ""), e);
}

int
snapshot_add(struct record *r, const char *id, const json_t *event, json_t *metadata, struct err *e)
{
	char now[CLOCK_TEXT];
	struct err none;
	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", id);
	json_t *list = json_object_get(r->json, "snapshots");
	if (!list) {
		list = json_array();
		if (json_object_set_new(r->json, "snapshots", list))
			return err_memory(e);
	}
	json_t *known = snapshot_pick(r->json, id, &none);
	if (known && strcmp(jsonx_text(known, "id", ""), id) == 0)
		return has_status(known, "discarded") ? remove_files(r, id, e) : 0;
	if (make_room(r, list, e))
		return -1;
	json_t *o = json_pack("{s:s, s:s}", "id", id, "delegationId", r->id);
	json_t *highlights = json_object_get(event, "highlights");
	bool recommended = json_is_true(json_object_get(event, "recommended"));
	if (!o || jsonx_set(o, "summary", jsonx_text(event, "summary", "")) ||
	    (json_is_array(highlights) && json_object_set(o, "highlights", highlights)) ||
	    jsonx_set(o, "status", "pending") ||
	    (metadata && json_object_set(o, "metadata", metadata)) ||
	    (recommended && json_object_set_new(o, "recommended", json_true())) ||
	    jsonx_set(o, "createdAt", clock_format(clock_now(), now)))
		goto err0;
	if (snapshot_held(r->dirfd, id)) {
		char path[2 * ID_MAX + 64];
		snprintf(path, sizeof path, DELEGATIONS "/%s/snapshots/%s", r->id, id);
		if (jsonx_set(o, "localPath", path))
			goto err0;
	}
	if (json_array_append_new(list, o))
		return err_memory(e);
	return 0;
err0:
	json_decref(o);
	return err_memory(e);
}

int
snapshot_recommend(struct record *r, const char *id, struct err *e)
{
	json_t *item;
	size_t i;
	bool there = false;
	json_array_foreach(json_object_get(r->json, "snapshots"), i, item) there =
	    there || strcmp(jsonx_text(item, "id", ""), id) == 0;
	if (!there)
		return 0;
	json_array_foreach(json_object_get(r->json, "snapshots"), i, item)
	{
		if (strcmp(jsonx_text(item, "id", ""), id) != 0)
			json_object_del(item, "recommended");
		else if (json_object_set_new(item, "recommended", json_true()))
			return err_memory(e);
	}
	return 0;
}

/* Open the snapshot's directory and keep others from working with it. */
static int
open_locked(const struct record *r, const char *id, bool wait, struct err *e)
{
	char path[ID_MAX + 16];
	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", id);
	snprintf(path, sizeof path, "snapshots/%s", id);
	int fd = file_open_beneath(r->dirfd, path, O_RDONLY | O_DIRECTORY, 0, e);
	if (fd < 0) {
		err_set(e, ERR_NOT_FOUND, "the files of snapshot %s are gone", id);
		return -1;
	}
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB))) {
		if (errno == EINTR)
			continue;
		err_set(e, ERR_BUSY, "snapshot %s is being applied", id);
		close(fd);
		return -1;
	}
	return fd;
}

static int
check_pending(const json_t *snapshot, struct err *e)
{
	if (has_status(snapshot, "pending"))
		return 0;
	err_set(e, ERR_BAD_STATE, "snapshot %s is %s already", jsonx_text(snapshot, "id", ""),
		jsonx_text(snapshot, "status", "gone"));
	return err_hint(e, "awcp-snapshot list %s shows what is pending",
			jsonx_text(snapshot, "delegationId", ""));
}

/* Note the outcome in the record. */
static int
mark(const char *delegation, const char *id, const char *status, struct err *e)
{
	struct record r;
	char now[CLOCK_TEXT];
	int result = -1;
	if (record_open(DELEGATIONS, delegation, true, &r, e))
		goto out;
	json_t *snapshot = snapshot_pick(r.json, id, e);
	if (!snapshot)
		goto out;
	bool applied = strcmp(status, "applied") == 0;
	if (!applied && check_pending(snapshot, e))
		goto out;
	if (jsonx_set(snapshot, "status", status) ||
	    (!applied && jsonx_set(snapshot, "localPath", NULL)) ||
	    (applied && (jsonx_set(snapshot, "appliedAt", clock_format(clock_now(), now)) ||
			 jsonx_set(r.json, "appliedSnapshotId", id)))) {
		err_memory(e);
		goto out;
	}
	result = delegation_save(&r, true, e);
out:
	record_close(&r);
	return result;
}

static int
open_in(int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open %s", name) : fd;
}

static int
run_apply(const struct record *r, int statefd, struct apply_job *job, struct apply_totals *totals,
	  struct err *e)
{
	struct resource *resources;
	int status = -1;
	job->statefd = statefd;
	job->fidelity = json_is_true(json_object_get(r->json, "fidelity"));
	if (snapshot_resources(r->json, &resources, &job->count, e))
		return -1;
	job->resources = resources;
	job->basefd = open_in(r->dirfd, "base.manifest", e);
	job->theirsfd = job->basefd < 0 ? -1 : open_in(statefd, "manifest", e);
	job->archivefd = job->theirsfd < 0 ? -1 : open_in(statefd, "data.zip", e);
	if (job->archivefd >= 0)
		status = apply(job, totals, e);
	file_close(job->archivefd);
	file_close(job->theirsfd);
	file_close(job->basefd);
	snapshot_resources_free(resources, job->count);
	return status;
}

int
snapshot_apply(const char *delegation, const char *snap, bool dry, snapshot_report *report,
	       void *arg, struct apply_totals *totals, char taken[ID_MAX + 1], struct err *e)
{
	struct record r;
	struct apply_job job = {.dry = dry, .report = report, .report_arg = arg};
	char id[ID_MAX + 1];
	int status = -1;
	*totals = (struct apply_totals){0};
	if (record_open(DELEGATIONS, delegation, false, &r, e))
		goto out;
	const json_t *snapshot = snapshot_pick(r.json, snap, e);
	if (!snapshot || (snprintf(id, sizeof id, "%s", jsonx_text(snapshot, "id", "")),
			  check_pending(snapshot, e)))
		goto out;
	if (taken)
		memcpy(taken, id, sizeof id);
	int statefd = open_locked(&r, id, true, e);
	if (statefd < 0)
		goto out;
	status = run_apply(&r, statefd, &job, totals, e);
	if (status == 0 && !dry)
		status = mark(delegation, id, "applied", e);
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
	snprintf(id, sizeof id, "%s", jsonx_text(snapshot, "id", ""));
	if (refused)
		memcpy(refused, id, sizeof id);
	if (!has_status(snapshot, "discarded")) {
		if (check_pending(snapshot, e))
			goto out;
		int statefd = open_locked(&r, id, false, e);
		if (statefd < 0 && e->code != ERR_NOT_FOUND)
			goto out;
		bool cut_off = statefd >= 0 && (faccessat(statefd, "plan", F_OK, 0) == 0 ||
						faccessat(statefd, "rollback", F_OK, 0) == 0);
		if (cut_off) {
			err_set(e, ERR_BAD_STATE, "an apply of snapshot %s was cut off", id);
			err_hint(e, "finish it first: awcp-snapshot apply %s %s", r.id, id);
		}
		int marked = cut_off ? -1 : mark(delegation, id, "discarded", e);
		file_close(statefd);
		if (marked)
			goto out;
	}
	status = remove_files(&r, id, e);
out:
	record_close(&r);
	return status;
}
