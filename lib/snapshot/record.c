/*
 * snapshot_record - snapshots as the delegation's record knows them.  See snapshot.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "snapshot/snapshot.h"
#include "wire/members.h"

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
	json_array_foreach (list, i, item) {
		const char *pattern = json_string_value(item);
		if (pattern && add(f, pattern, e))
			return -1;
	}
	return 0;
}

static int
read_resource(const json_t *o, struct resource *r, struct err *e)
{
	const char *name = jsonx_string(o, resource_name_path(), 255, e);
	const char *source = jsonx_string(o, resource_source_path(), TREE_PATH, e);
	if (!name || !source)
		return -1;
	if (!resource_name_valid(name) || *source != '/')
		return err_set(e, ERR_BAD_DATA, "the record has a bad resource: %s", name);
	r->writable = strcmp(resource_mode(o), "rw") == 0;
	r->name = strdup(name);
	r->source = strdup(source);
	if (!r->name || !r->source)
		return err_memory(e);
	r->filter = filter_new(e);
	if (!r->filter)
		return -1;
	if (add_patterns(r->filter, resource_exclude(o), filter_exclude, e) ||
	    add_patterns(r->filter, resource_include(o), filter_include, e))
		return -1;
	return 0;
}

int
snapshot_resources(const json_t *delegation, struct resource **resources, size_t *count,
		   struct err *e)
{
	const json_t *list = delegation_resources(delegation);
	size_t i;
	json_t *item;
	*count = json_array_size(list);
	*resources = calloc(*count + 1, sizeof **resources);
	if (!*resources)
		return err_memory(e);
	json_array_foreach (list, i, item)
		if (read_resource(item, &(*resources)[i], e)) {
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
	return recommended ? recommended : pending ? pending : applied;
}

json_t *
snapshot_pick(const json_t *delegation, const char *prefix, struct err *e)
{
	const json_t *list = delegation_snapshots(delegation);
	json_t *item, *found = NULL;
	size_t i;
	if (!prefix) {
		found = pick_default(list);
		if (!found) {
			err_set(e, ERR_NOT_FOUND, "%s has no snapshot", delegation_id(delegation));
			err_hint(e, "its state is %s", delegation_state(delegation));
		}
		return found;
	}
	json_array_foreach (list, i, item) {
		const char *id = snapshot_id(item);
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

int
snapshot_remove_files(const struct record *r, const char *id, struct err *e)
{
	char path[ID_MAX + 16];
	snprintf(path, sizeof path, "snapshots/%s", id);
	return id_valid(id) ? file_remove_tree(r->dirfd, path, e) : 0;
}

/* Room for one more: the oldest that waits and that nobody recommended makes way. */
static int
make_room(struct record *r, json_t *list, struct err *e)
{
	int64_t max = delegation_max_snapshots(r->json);
	json_t *item, *oldest = NULL;
	int64_t pending = 0;
	size_t i;
	json_array_foreach (list, i, item) {
		if (!snapshot_has_status(item, "pending"))
			continue;
		pending++;
		if (!oldest && !snapshot_recommended(item))
			oldest = item;
	}
	if (pending < max || !oldest)
		return 0;
	if (snapshot_set_status(oldest, "discarded") || snapshot_set_local_path(oldest, NULL))
		return err_memory(e);
	return snapshot_remove_files(r, snapshot_id(oldest), e);
}

int
snapshot_add(struct record *r, const char *id, const json_t *event, json_t *metadata, struct err *e)
{
	char now[CLOCK_TEXT];
	struct err none;
	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "not a snapshot id: %.64s", id);
	json_t *list = delegation_snapshots(r->json);
	if (!list) {
		list = json_array();
		if (delegation_set_snapshots(r->json, list))
			return err_memory(e);
	}
	json_t *known = snapshot_pick(r->json, id, &none);
	if (known && strcmp(snapshot_id(known), id) == 0)
		return snapshot_has_status(known, "discarded") ? snapshot_remove_files(r, id, e)
							       : 0;
	if (make_room(r, list, e))
		return -1;
	json_t *o = json_object();
	json_t *highlights = event_highlights(event);
	bool recommended = event_recommended(event);
	if (snapshot_set_id(o, id) || snapshot_set_delegation_id(o, r->id) ||
	    snapshot_set_summary(o, event_summary(event)) ||
	    (json_is_array(highlights) && snapshot_set_highlights(o, json_incref(highlights))) ||
	    snapshot_set_status(o, "pending") ||
	    (metadata && snapshot_set_metadata(o, json_incref(metadata))) ||
	    (recommended && snapshot_set_recommended(o, true)) ||
	    snapshot_set_created_at(o, clock_format(clock_now(), now)))
		goto err0;
	if (snapshot_held(r->dirfd, id)) {
		char path[2 * ID_MAX + 64];
		snprintf(path, sizeof path, DELEGATIONS "/%s/snapshots/%s", r->id, id);
		if (snapshot_set_local_path(o, path))
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
	json_array_foreach (delegation_snapshots(r->json), i, item)
		there = there || strcmp(snapshot_id(item), id) == 0;
	if (!there)
		return 0;
	json_array_foreach (delegation_snapshots(r->json), i, item) {
		if (strcmp(snapshot_id(item), id) != 0)
			snapshot_drop_recommended(item);
		else if (snapshot_set_recommended(item, true))
			return err_memory(e);
	}
	return 0;
}
