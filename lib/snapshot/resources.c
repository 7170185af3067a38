/*
 * snapshot/resources - the directories of a delegation, as its record has them.
 */
#include <stdlib.h>
#include <string.h>

#include "delegation/members.h"
#include "snapshot/snapshot.h"
#include "wire/members.h"

static int
by_resource_name(const void *a, const void *b)
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
		if (pattern && add(f, pattern, e) < 0)
			return -1;
	}
	return 0;
}

static int
read_resource(const json_t *o, bool named, struct resource *r, struct err *e)
{
	const char *name = jsonx_string(o, resource_name_path(), 255, e);
	const char *source = jsonx_string(o, resource_source_path(), TREE_PATH, e);

	if (name == NULL || source == NULL)
		return -1;
	if (!id_resource_valid(name) || *source != '/')
		return err_set(e, ERR_BAD_DATA, "the record has a bad resource: %s", name);
	r->named = named;
	r->writable = strcmp(resource_mode(o), "rw") == 0;
	r->name = strdup(name);
	r->source = strdup(source);
	if (r->name == NULL || r->source == NULL)
		return err_memory(e);
	r->filter = filter_new(e);
	if (r->filter == NULL)
		return -1;
	if (add_patterns(r->filter, resource_exclude(o), filter_exclude, e) < 0 ||
	    add_patterns(r->filter, resource_include(o), filter_include, e) < 0)
		return -1;
	return 0;
}

int
snapshot_resources(const json_t *delegation, struct resource **resources, size_t *count,
		   struct err *e)
{
	const json_t *list = delegation_resources(delegation);
	bool named = record_owner(delegation) != NULL; /* by a command it was this account itself */
	size_t i;
	json_t *item;

	*count = json_array_size(list);
	*resources = calloc(*count + 1, sizeof **resources);
	if (*resources == NULL)
		return err_memory(e);
	json_array_foreach (list, i, item)
		if (read_resource(item, named, &(*resources)[i], e) < 0) {
			snapshot_resources_free(*resources, *count);
			*resources = NULL;
			*count = 0;
			return err_add(e, "environment.resources");
		}
	qsort(*resources, *count, sizeof **resources, by_resource_name);
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
