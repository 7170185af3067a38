#include "delegator/request.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wire/client.h"
#include "delegation/credential.h"
#include "delegation/delegation.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "delegator/roots.h"
#include "snapshot/snapshot.h"
#include "tree/tree.h"

#define TTL 3600 /* s; the reference's default */
#define TTL_MOST (INT64_C(10) * 366 * 86400)

/* The member ${name} of ${o}: one of the ${n} ${words}, the first if it is missing. */
static const char *
one_of(const json_t *o, const char *name, const char *const *words, size_t n, struct err *e)
{
	char all[128] = "";

	if (json_object_get(o, name) == NULL)
		return words[0];
	const char *text = jsonx_text(o, name, "");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, words[i]) == 0)
			return words[i];
		strcat(strcat(all, i == 0 ? "" : " or "), words[i]);
	}
	err_set(e, ERR_BAD_MESSAGE, "%s must be %s", name, all);
	return NULL;
}

static int
check_patterns(const json_t *o, const char *name, struct err *e)
{
	const json_t *list = json_object_get(o, name), *one;
	bool fine = list == NULL || json_is_array(list);
	size_t i;

	json_array_foreach (list, i, one)
		fine = fine && json_is_string(one);
	return fine ? 0 : err_set(e, ERR_BAD_MESSAGE, "%s must be an array of patterns", name);
}

/* One resource, as the record has it; ${access} "ro" goes before its own mode. */
static json_t *
take_resource(const json_t *o, const char *access, struct err *e)
{
	static const char *const modes[] = {"rw", "ro"}, *const types[] = {"fs"};
	char real[PATH_MAX];

	const char *name = jsonx_string(o, "name", 255, e);
	const char *source = name == NULL ? NULL : jsonx_string(o, "source", PATH_MAX - 1, e);
	const char *mode = source == NULL ? NULL : one_of(o, "mode", modes, 2, e);
	if (name == NULL || mode == NULL || one_of(o, "type", types, 1, e) == NULL)
		return NULL;
	if (!id_resource_valid(name)) {
		err_set(e, ERR_BAD_MESSAGE, "name: not the name of a resource: %.80s", name);
		err_hint(e, "1 to 255 bytes, no slash or control character, not . or .. or "
			    ".awcp");
		return NULL;
	}
	if (check_patterns(o, "include", e) < 0 || check_patterns(o, "exclude", e) < 0 ||
	    roots_check(source, real, e) < 0)
		return NULL;
	json_t *r = json_pack("{ss ss ss ss}", "name", name, "type", "fs", "source", real, "mode",
			      strcmp(access, "ro") == 0 ? "ro" : mode);
	if (r == NULL) {
		err_set(e, ERR_WORKSPACE_INVALID, "%s leads to a path that is not UTF-8", source);
		return NULL;
	}
	if ((json_object_get(o, "include") != NULL &&
	     json_object_set(r, "include", json_object_get(o, "include")) < 0) ||
	    (json_object_get(o, "exclude") != NULL &&
	     json_object_set(r, "exclude", json_object_get(o, "exclude")) < 0)) {
		json_decref(r);
		err_memory(e);
		return NULL;
	}
	return r;
}

/* {environment: {resources}}, as the record has it. */
static json_t *
take_environment(const json_t *body, const char *access, struct err *e)
{
	const json_t *given = jsonx_at(body, "environment.resources"), *one;
	json_t *list = json_array();
	size_t i;

	if (json_array_size(given) < 1 || json_array_size(given) > MESSAGE_RESOURCES) {
		err_set(e, ERR_BAD_MESSAGE,
			"environment.resources must be an array of 1 to %d resources",
			MESSAGE_RESOURCES);
		goto err;
	}
	json_array_foreach (given, i, one) {
		json_t *r = take_resource(one, access, e);
		if (r == NULL) {
			err_add(e, "environment.resources[%zu]", i);
			goto err;
		}
		if (json_array_append_new(list, r) < 0) {
			err_memory(e);
			goto err;
		}
	}
	return json_pack("{s{so}}", "environment", "resources", list);
err:
	json_decref(list);
	return NULL;
}

/* The members that stand by themselves. */
static int
take_members(const json_t *body, struct delegation_order *o, struct err *e)
{
	static const char *const accesses[] = {"rw", "ro"}, *const modes[] = {"auto", "staged",
									      "discard"};

	if (json_object_get(body, "executorUrl") == NULL ||
	    json_object_get(body, "environment") == NULL || json_object_get(body, "task") == NULL) {
		err_set(e, ERR_BAD_MESSAGE,
			"Missing required fields: executorUrl, environment, task");
		return -1;
	}
	o->url = jsonx_string(body, "executorUrl", 2000, e);
	o->prompt = o->url == NULL ? NULL : jsonx_string(body, "task.prompt", MESSAGE_PROMPT, e);
	if (o->prompt == NULL || url_check(o->url, e) < 0)
		return -1;
	if (o->prompt[0] == '\0') {
		err_set(e, ERR_BAD_MESSAGE, "task.prompt must not be empty");
		return -1;
	}
	o->description = "";
	if (jsonx_at(body, "task.description") != NULL &&
	    (o->description = jsonx_string(body, "task.description", MESSAGE_DESCRIPTION, e)) ==
		NULL)
		return -1;
	o->ttl = TTL;
	if (json_object_get(body, "ttlSeconds") != NULL &&
	    jsonx_integer(body, "ttlSeconds", 1, TTL_MOST, &o->ttl, e) < 0)
		return -1;
	o->access = one_of(body, "accessMode", accesses, 2, e);
	o->mode = o->access == NULL ? NULL : one_of(body, "snapshotMode", modes, 3, e);
	if (o->mode == NULL)
		return -1;
	const json_t *auth = json_object_get(body, "auth");
	if (json_is_null(auth))
		auth = NULL;
	o->auth = auth;
	return auth != NULL ? credential_check(auth, e) : 0;
}

int
order_take(const json_t *body, const char *owner, char id[ID_MAX + 1], struct err *e)
{
	struct delegation_order o = {.owner = owner};
	struct resource *resources = NULL;
	struct tree_limits limits;
	struct tree_totals totals;
	int status = -1;

	if (take_members(body, &o, e) < 0)
		return -1;
	json_t *environment = take_environment(body, o.access, e);
	if (environment == NULL)
		return -1;
	if (snapshot_resources(environment, &resources, &o.count, e) == 0 &&
	    tree_limits(&limits, e) == 0 &&
	    tree_admit(resources, o.count, &limits, NULL, &totals, e) == 0) {
		o.resources = resources;
		o.environment = json_object_get(environment, "environment");
		status = delegation_create(&o, id, e);
	}
	snapshot_resources_free(resources, o.count);
	json_decref(environment);
	return status;
}
