#include "delegator/request.h"

#include <string.h>

#include "base/text.h"
#include "config/home.h"
#include "delegation/credential.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "delegator/roots.h"
#include "snapshot/snapshot.h"
#include "state/space.h"
#include "wire/client.h"
#include "wire/members.h"
#include "wire/message.h"

#define RECORD_FILES 8   /* of a delegation */
#define TTL_DEFAULT 3600 /* s; the reference's */
#define TTL_MAX (INT64_C(10) * 366 * 86400)

/* What only this message has; the rest is as in a record or an INVITE. */
MEMBER_TEXT(request, url, "executorUrl", NULL)
MEMBER_INTEGER(request, ttl, "ttlSeconds", TTL_DEFAULT)
MEMBER_JSON(request, auth, "auth")

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

/* Check the resource ${o}.  Writes to ${real} the directory that is meant; returns its mode, or
 * NULL. */
static const char *
check_resource(const json_t *o, char real[PATH_MAX], struct err *e)
{
	static const char *const modes[] = {"rw", "ro"}, *const types[] = {"fs"};

	const char *name = jsonx_string(o, resource_name_path(), 255, e);
	if (name == NULL)
		return NULL;
	const char *source = jsonx_string(o, resource_source_path(), PATH_MAX - 1, e);
	if (source == NULL)
		return NULL;
	const char *mode = one_of(o, resource_mode_path(), modes, 2, e);
	if (mode == NULL || one_of(o, resource_type_path(), types, 1, e) == NULL)
		return NULL;
	if (!id_resource_valid(name)) {
		err_set(e, ERR_BAD_MESSAGE, "name: not the name of a resource: %.80s", name);
		err_hint(e, "1 to 255 bytes, no slash or control character, not . or .. or "
			    ".awcp");
		return NULL;
	}
	if (check_patterns(o, resource_include_path(), e) < 0 ||
	    check_patterns(o, resource_exclude_path(), e) < 0 || roots_check(source, real, e) < 0)
		return NULL;
	return mode;
}

/* One resource, as the record has it; ${access} "ro" overrides its own mode. */
static json_t *
make_resource(const json_t *o, const char *access, struct err *e)
{
	json_t *path = NULL, *r;
	char real[PATH_MAX];

	const char *mode = check_resource(o, real, e);
	if (mode == NULL)
		return NULL;
	if ((path = json_string(real)) == NULL) {
		err_set(e, ERR_WORKSPACE_INVALID, "%s leads to a path that is not UTF-8",
			resource_source(o));
		return NULL;
	}
	r = json_pack("{so ss ss ss sO* sO*}", resource_source_path(), path, resource_name_path(),
		      resource_name(o), resource_type_path(), "fs", resource_mode_path(),
		      strcmp(access, "ro") == 0 ? "ro" : mode, resource_include_path(),
		      resource_include(o), resource_exclude_path(), resource_exclude(o));
	if (r == NULL)
		err_memory(e);
	return r;
}

/* {environment: {resources}}, as the record has it. */
static json_t *
make_environment(const json_t *body, const char *access, struct err *e)
{
	const json_t *given = delegation_resources(body), *one;
	json_t *list = json_array(), *o = json_object();
	size_t i;

	if (json_array_size(given) < 1 || json_array_size(given) > MESSAGE_RESOURCES) {
		err_set(e, ERR_BAD_MESSAGE, "%s must be an array of 1 to %d resources",
			delegation_resources_path(), MESSAGE_RESOURCES);
		goto err;
	}
	json_array_foreach (given, i, one) {
		json_t *r = make_resource(one, access, e);
		if (r == NULL) {
			err_add(e, "%s[%zu]", delegation_resources_path(), i);
			goto err;
		}
		if (json_array_append_new(list, r) < 0) {
			err_memory(e);
			goto err;
		}
	}
	if (delegation_set_resources(o, json_incref(list)) < 0) {
		err_memory(e);
		goto err;
	}
	json_decref(list);
	return o;
err:
	json_decref(list);
	json_decref(o);
	return NULL;
}

static int
read_task(const json_t *body, struct delegation_request *q, struct err *e)
{
	const char *description = delegation_description_path();

	if ((q->prompt = jsonx_string(body, delegation_prompt_path(), MESSAGE_PROMPT, e)) == NULL)
		return -1;
	if (url_check(q->url, e) < 0)
		return -1;
	if (text_is_blank(q->prompt))
		return err_set(e, ERR_BAD_MESSAGE, "task.prompt must not be empty");
	q->description = "";
	if (jsonx_at(body, description) == NULL)
		return 0;
	q->description = jsonx_string(body, description, MESSAGE_DESCRIPTION, e);
	return q->description == NULL ? -1 : 0;
}

/* All of ${body} but the resources. */
static int
read_members(const json_t *body, struct delegation_request *q, struct err *e)
{
	static const char *const accesses[] = {"rw", "ro"}, *const modes[] = {"auto", "staged",
									      "discard"};

	if (json_object_get(body, request_url_path()) == NULL ||
	    delegation_environment(body) == NULL || delegation_task(body) == NULL)
		return err_set(e, ERR_BAD_MESSAGE,
			       "Missing required fields: executorUrl, environment, task");
	if ((q->url = jsonx_string(body, request_url_path(), 2000, e)) == NULL ||
	    read_task(body, q, e) < 0)
		return -1;
	q->ttl = TTL_DEFAULT;
	if (json_object_get(body, request_ttl_path()) != NULL &&
	    jsonx_integer(body, request_ttl_path(), 1, TTL_MAX, &q->ttl, e) < 0)
		return -1;
	if ((q->access = one_of(body, "accessMode", accesses, 2, e)) == NULL ||
	    (q->mode = one_of(body, "snapshotMode", modes, 3, e)) == NULL)
		return -1;
	q->auth = json_is_null(request_auth(body)) ? NULL : request_auth(body);
	return q->auth != NULL ? credential_check(q->auth, e) : 0;
}

/* Is there room for a copy of what is lent, which is kept until the end? */
static int
check_room(uint64_t bytes, struct err *e)
{
	int fd = home_dir(DELEGATIONS, e);

	return fd < 0 ? -1 : space_for(fd, bytes, RECORD_FILES, e);
}

int
request_record(const json_t *body, const char *owner, char id[ID_MAX + 1], struct err *e)
{
	struct delegation_request q = {.owner = owner, .access = "rw", .mode = "auto"};
	struct resource *resources = NULL;
	struct tree_limits limits;
	struct tree_totals totals;
	int status = -1;

	if (read_members(body, &q, e) < 0)
		return -1;
	json_t *environment = make_environment(body, q.access, e);
	if (environment == NULL)
		return -1;
	if (snapshot_resources(environment, &resources, &q.count, e) < 0)
		goto out;
	for (size_t i = 0; i < q.count; i++)
		resources[i].named = true;
	if (tree_limits(&limits, e) < 0 ||
	    tree_admit(resources, q.count, &limits, NULL, &totals, e) < 0 ||
	    check_room(totals.bytes, e) < 0)
		goto out;
	q.resources = resources;
	q.special = totals.special > 0;
	q.environment = delegation_environment(environment);
	status = delegation_create(&q, id, e);
out:
	snapshot_resources_free(resources, q.count);
	json_decref(environment);
	return status;
}
