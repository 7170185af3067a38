#include "wire/message.h"
#include "wire/members.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "log/redact.h"

#define INTEGER_MAX INT64_C(9007199254740991) /* that every JSON parser reads exactly */
#define RETRY_MAX 86400                       /* seconds that a peer may ask us to wait */

json_t *
message_new(const char *type, const char *id, json_t *more, struct err *e)
{
	json_t *m = json_object();

	if (message_set_version(m, "1") < 0 || message_set_kind(m, type) < 0 ||
	    message_set_id(m, id) < 0 || more == NULL || json_object_update(m, more) < 0) {
		json_decref(m);
		m = NULL;
		err_memory(e);
	}
	json_decref(more);
	return m;
}

const char *
message_type(const json_t *m, struct err *e)
{
	const char *type = jsonx_string(m, message_kind_path(), 64, e);
	if (type == NULL)
		return NULL;
	if (strcmp(type, "INVITE") != 0 && strcmp(type, "ACCEPT") != 0 &&
	    strcmp(type, "START") != 0 && strcmp(type, "ERROR") != 0) {
		err_set(e, ERR_BAD_MESSAGE, "unexpected message type: %s", type);
		return NULL;
	}
	const char *version = jsonx_string(m, message_version_path(), 64, e);
	if (version == NULL)
		return NULL;
	if (strcmp(version, "1") != 0) {
		err_set(e, ERR_BAD_MESSAGE, "version %s is not spoken here", version);
		err_hint(e, "send AWCP version \"1\"");
		return NULL;
	}
	const char *id = jsonx_string(m, message_id_path(), 1024, e);
	if (id == NULL)
		return NULL;
	if (!id_valid(id)) {
		err_set(e, ERR_BAD_MESSAGE, "delegationId is not an id");
		err_hint(e, "an id has 1 to 128 letters, digits, _ and -");
		return NULL;
	}
	return type;
}

/* "ro" or "rw" at ${path}. */
static int
check_mode(const json_t *o, const char *path, struct err *e)
{
	const char *mode = jsonx_string(o, path, 16, e);

	if (mode == NULL)
		return -1;
	if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
		return err_set(e, ERR_BAD_MESSAGE, "%s must be \"ro\" or \"rw\"", path);
	return 0;
}

static bool
lies_in(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

static int
check_resource(const json_t *list, size_t at, struct err *e)
{
	const json_t *r = json_array_get(list, at);

	if (!json_is_object(r))
		return err_set(e, ERR_BAD_MESSAGE, "it must be an object");
	const char *name = jsonx_string(r, resource_name_path(), 4096, e);
	if (name == NULL)
		return -1;
	if (!id_resource_path_valid(name)) {
		err_set(e, ERR_BAD_MESSAGE, "its name cannot be a folder's name: %.64s", name);
		return err_hint(e, "1 to 255 bytes, no control character, nothing of it is empty, "
				   "., .. or .awcp");
	}
	const char *type = jsonx_string(r, resource_type_path(), 64, e);
	if (type == NULL)
		return -1;
	if (strcmp(type, "fs") != 0)
		return err_set(e, ERR_BAD_MESSAGE, "its type must be \"fs\"");
	if (check_mode(r, resource_mode_path(), e) < 0)
		return -1;
	for (size_t i = 0; i < at; i++) {
		const char *other = resource_name(json_array_get(list, i));
		if (strcmp(other, name) == 0)
			return err_set(e, ERR_BAD_MESSAGE, "there are two with the name %s", name);
		if (lies_in(name, other) || lies_in(other, name))
			return err_set(e, ERR_BAD_MESSAGE, "one of %s and %s lies in the other",
				       name, other);
	}
	return 0;
}

int
message_check_invite(const json_t *m, struct err *e)
{
	int64_t n;

	if (jsonx_string(m, invite_description_path(), MESSAGE_MAX, e) == NULL ||
	    jsonx_string(m, invite_prompt_path(), MESSAGE_PROMPT, e) == NULL ||
	    jsonx_whole(m, invite_ttl_path(), 1, INTEGER_MAX, &n, e) < 0 ||
	    check_mode(m, invite_access_mode_path(), e) < 0 ||
	    jsonx_whole(m, invite_retention_path(), 0, INTEGER_MAX, &n, e) < 0)
		return -1;
	if (text_is_blank(invite_prompt(m)))
		return err_set(e, ERR_BAD_MESSAGE, "%s must not be empty", invite_prompt_path());
	const char *resources = invite_resources_path();
	const json_t *list = invite_resources(m), *environment = invite_environment(m);
	if (environment != NULL && !json_is_object(environment))
		return err_set(e, ERR_BAD_MESSAGE, "%s must be an object",
			       invite_environment_path());
	if (list != NULL && (!json_is_array(list) || json_array_size(list) > MESSAGE_RESOURCES))
		return err_set(e, ERR_BAD_MESSAGE, "%s must be an array of at most %d resources",
			       resources, MESSAGE_RESOURCES);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (check_resource(list, i, e) < 0)
			return err_add(e, "%s[%zu]", resources, i);
	const char *transport = "archive";
	if (jsonx_at(m, invite_transport_path()) != NULL)
		transport = jsonx_string(m, invite_transport_path(), 64, e);
	if (transport == NULL)
		return -1;
	if (strcmp(transport, "archive") != 0) {
		err_set(e, ERR_DEP_MISSING, "transport %s is not offered here", transport);
		return err_hint(e, "use the archive transport");
	}
	return 0;
}

/* The number at ${path}, if there is one: a peer may count in fractions, or more than we can. */
static int
check_amount(const json_t *m, const char *path, double low, struct err *e)
{
	const json_t *n = jsonx_at(m, path);

	if (n == NULL || (json_is_number(n) && json_number_value(n) >= low))
		return 0;
	return err_set(e, ERR_BAD_MESSAGE, "%s must be a number from %g on", path, low);
}

int
message_check_accept(const json_t *m, const char *id, struct err *e)
{
	const char *type = message_type(m, e);

	if (type == NULL)
		return -1;
	if (strcmp(message_id(m), id) != 0)
		return err_set(e, ERR_BAD_MESSAGE, "the answer is for another delegation");
	if (strcmp(type, "ERROR") == 0)
		return message_error(m, e);
	if (strcmp(type, "ACCEPT") != 0)
		return err_set(e, ERR_BAD_MESSAGE, "%s is not an answer to INVITE", type);
	if (check_amount(m, accept_retention_path(), 0, e) < 0)
		return -1;
	return check_amount(m, accept_max_ttl_path(), 1, e);
}

int
message_check_start(const json_t *m, struct err *e)
{
	int64_t when;

	const char *expires = jsonx_string(m, start_expires_at_path(), 64, e);
	if (expires == NULL)
		return -1;
	if (clock_parse(expires, &when, e) < 0) {
		e->code = ERR_BAD_MESSAGE;
		return err_add(e, "%s", start_expires_at_path());
	}
	if (check_mode(m, start_access_mode_path(), e) < 0)
		return -1;
	const char *transport = jsonx_string(m, start_transport_path(), 64, e);
	if (transport == NULL)
		return -1;
	if (strcmp(transport, "archive") != 0)
		return err_set(e, ERR_DEP_MISSING, "transport %s is not offered here", transport);
	if (jsonx_string(m, start_workspace_path(), MESSAGE_MAX, e) == NULL ||
	    jsonx_string(m, start_checksum_path(), 256, e) == NULL)
		return -1;
	return 0;
}

int
message_error(const json_t *o, struct err *e)
{
	const char *code = error_code(o);

	err_set(e, err_from_name(code != NULL ? code : "TASK_FAILED"), "%s", error_message(o));
	err_hint(e, "%s", error_hint(o));
	int64_t retry = error_retry_after(o);
	return err_retry(e, retry < 0 ? 0 : retry > RETRY_MAX ? RETRY_MAX : (unsigned)retry);
}

static const char *const fidelity[] = {"modes", "links", "times", "delta"};
#define FIDELITY (sizeof fidelity / sizeof fidelity[0])

json_t *
message_fidelity(void)
{
	return json_pack("[ssss]", fidelity[0], fidelity[1], fidelity[2], fidelity[3]);
}

unsigned
message_agreed(const json_t *list)
{
	unsigned agreed = 0;

	for (size_t i = 0; i < FIDELITY && jsonx_lists(list, fidelity[i]); i++)
		agreed |= 1U << i;
	return agreed == MESSAGE_MODES ? 0 : agreed;
}

json_t *
message_event(const char *type, const char *id, struct err *e)
{
	char now[CLOCK_TEXT];
	json_t *m = json_object();

	if (event_set_delegation_id(m, id) == 0 && event_set_type(m, type) == 0 &&
	    event_set_timestamp(m, clock_format(clock_now(), now)) == 0)
		return m;
	json_decref(m);
	err_memory(e);
	return NULL;
}

json_t *
message_describe_error(const struct err *why)
{
	struct err clean = *why;
	json_t *o = json_object();

	redact_text(clean.message);
	redact_text(clean.hint);
	if (error_set_code(o, err_name(why->code)) == 0 &&
	    error_set_message(o, clean.message) == 0 &&
	    (clean.hint[0] == '\0' || error_set_hint(o, clean.hint) == 0) &&
	    (why->retry == 0 || error_set_retry_after(o, why->retry) == 0))
		return o;
	json_decref(o);
	return NULL;
}

json_t *
message_error_event(const char *id, const struct err *why, struct err *e)
{
	json_t *m = message_event("error", id, e);

	if (m == NULL || json_object_update_new(m, message_describe_error(why)) == 0)
		return m;
	json_decref(m);
	err_memory(e);
	return NULL;
}
