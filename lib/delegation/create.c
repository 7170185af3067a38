/* A delegation is requested: checked, shown to the operator's hook, and recorded. */
#include "delegation/delegation.h"

#include <stdlib.h>
#include <string.h>

#include "access/peer.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"
#include "config/settings.h"
#include "delegation/credential.h"
#include "delegation/members.h"
#include "process/hook.h"
#include "wire/client.h"
#include "wire/members.h"
#include "wire/message.h"

#define RETENTION_MAX_S (100LL * 366 * 86400)

static int
check_resources(const struct delegation_request *q, struct err *e)
{
	if (q->count < 1 || q->count > MESSAGE_RESOURCES)
		return err_set(e, ERR_USAGE, "a delegation has 1 to %d resources",
			       MESSAGE_RESOURCES);
	for (size_t i = 0; i < q->count; i++) {
		const char *name = q->resources[i].name;
		if (!id_resource_valid(name)) {
			err_set(e, ERR_USAGE, "%.64s cannot be the name of a resource", name);
			return err_hint(
			    e, "give it one: -r name=path; 1 to 255 bytes, no slash or control "
			       "character, not . or .. or .awcp");
		}
		for (size_t j = 0; j < i; j++)
			if (strcmp(name, q->resources[j].name) == 0) {
				err_set(e, ERR_USAGE, "two resources have the name %s", name);
				return err_hint(e, "give one another name: -r name=path");
			}
	}
	return 0;
}

/* JSON has no other text, and to replace bytes would change what is asked for. */
static int
check_text(const char *what, const char *text, struct err *e)
{
	if (text == NULL || utf8_valid(text))
		return 0;
	err_set(e, ERR_BAD_DATA, "the %s is not text in UTF-8", what);
	return err_hint(e, "convert it (iconv), or put it into a file that you lend");
}

int
delegation_check(const struct delegation_request *q, struct err *e)
{
	if (q->prompt != NULL && text_is_blank(q->prompt))
		return err_set(e, ERR_BAD_DATA, "the prompt is empty");
	if (check_text("prompt", q->prompt, e) < 0 ||
	    check_text("description", q->description, e) < 0)
		return -1;
	if (q->prompt != NULL && strlen(q->prompt) > MESSAGE_PROMPT) {
		err_set(e, ERR_TOO_LARGE, "the prompt is longer than %d bytes", MESSAGE_PROMPT);
		return err_hint(
		    e, "put the text into a file of the workspace and name it in the prompt");
	}
	if (strlen(q->description) > MESSAGE_DESCRIPTION)
		return err_set(e, ERR_TOO_LARGE, "the description is longer than %d bytes",
			       MESSAGE_DESCRIPTION);
	return check_resources(q, e);
}

/* ${r} as the record has it; NULL if its name or path is not UTF-8, or memory is out. */
static json_t *
describe_resource(const struct delegation_request *q, const struct resource *r)
{
	bool writable = r->writable && strcmp(q->access, "rw") == 0;

	return json_pack(
	    "{ss ss ss ss sO* sO*}", resource_name_path(), r->name, resource_type_path(), "fs",
	    resource_source_path(), r->source, resource_mode_path(), writable ? "rw" : "ro",
	    resource_exclude_path(), json_array_size(q->exclude) > 0 ? q->exclude : NULL,
	    resource_include_path(), json_array_size(q->include) > 0 ? q->include : NULL);
}

/* The record's resources to ${d}. */
static int
put_resources(json_t *d, const struct delegation_request *q)
{
	json_t *list = json_array();

	if (q->environment != NULL) {
		json_decref(list);
		return delegation_set_environment(d, json_incref(q->environment));
	}
	for (size_t i = 0; i < q->count; i++)
		if (json_array_append_new(list, describe_resource(q, &q->resources[i])) < 0) {
			json_decref(list);
			return -1;
		}
	return delegation_set_resources(d, list);
}

/* The address of the executor to ${d}.  One that a peer is known by in plain spelling is written
 * so: its token is found then, and goes nowhere else. */
static int
put_address(json_t *d, const char *url)
{
	json_t *peer = peer_by_url(url, NULL);
	char *plain = peer == NULL ? url_plain(url) : NULL;

	if (plain != NULL)
		peer = peer_by_url(plain, NULL);
	int status = jsonx_put(d, delegation_peer_url_path(),
			       json_string(plain != NULL && peer != NULL ? plain : url));
	json_decref(peer);
	free(plain);
	return status;
}

/* What ${q} asks for, to ${d}. */
static int
put_request(json_t *d, const struct delegation_request *q)
{
	if (put_address(d, q->url) < 0 || put_resources(d, q) < 0 ||
	    delegation_set_description(d, q->description) < 0 ||
	    delegation_set_prompt(d, q->prompt) < 0 || delegation_set_ttl(d, q->ttl) < 0 ||
	    delegation_set_access_mode(d, q->access) < 0 ||
	    delegation_set_snapshot_mode(d, q->mode) < 0 || record_set_owner(d, q->owner) < 0 ||
	    delegation_set_token_file(d, q->token_file) < 0)
		return -1;
	if (q->sandbox != NULL && delegation_set_sandbox(d, json_incref(q->sandbox)) < 0)
		return -1;
	if (q->special && delegation_set_special(d, true) < 0)
		return -1;
	return q->narrower ? delegation_set_narrower(d, true) : 0;
}

/* The first record of ${q}; NULL on failure. */
static json_t *
describe_request(const struct delegation_request *q, const char *id, struct err *e)
{
	long long max, kept;
	char now[CLOCK_TEXT];

	if (setting_number(SETTING_KEEP_SNAPSHOTS, &max, e) < 0 ||
	    setting_number(SETTING_RETENTION, &kept, e) < 0)
		return NULL;
	json_t *d = json_object();
	if (record_set_id(d, id) < 0 || record_set_state(d, "created") < 0 ||
	    put_request(d, q) < 0) {
		json_decref(d);
		err_set(e, ERR_USAGE, "the address, a path or a pattern is not UTF-8 text");
		return NULL;
	}
	kept = kept > RETENTION_MAX_S ? RETENTION_MAX_S : kept;
	if (delegation_set_retention(d, kept * 1000) == 0 &&
	    delegation_set_max_snapshots(d, max > 0 ? max : 1) == 0 &&
	    delegation_set_snapshots(d, json_array()) == 0 &&
	    record_set_created_at(d, clock_format(clock_now(), now)) == 0)
		return d;
	err_memory(e);
	json_decref(d);
	return NULL;
}

/* Does the operator's own program admit ${d}?  ERR_PERMISSION if not; ERR_BUSY if it does not
 * answer, for it might have refused. */
static int
ask_admission_hook(const json_t *d, const char *id, struct err *e)
{
	char answer[HOOK_ANSWER];
	struct err why;

	int status = hook_ask("admission", id, record_owner(d), d, answer, &why);
	if (status > 0)
		return 0;
	if (status == 0) {
		err_set(e, ERR_PERMISSION, "the admission hook refuses it");
		return err_hint(e, "%s", answer);
	}
	err_set(e, ERR_BUSY, "the admission hook does not answer");
	return err_hint(e, "log/lifecycle.log of the state directory says why");
}

int
delegation_create(const struct delegation_request *q, char id[ID_MAX + 1], struct err *e)
{
	struct record r;

	if (delegation_check(q, e) < 0 || id_make("dlg_", 32, id, e) < 0)
		return -1;
	json_t *d = describe_request(q, id, e);
	if (d == NULL || ask_admission_hook(d, id, e) < 0) {
		json_decref(d);
		return -1;
	}
	if (record_create(DELEGATIONS, id, &r, e) < 0) {
		json_decref(d);
		goto err;
	}
	json_decref(r.json);
	r.json = d;
	if (q->auth != NULL && credential_keep(&r, q->auth, e) < 0)
		goto err;
	if (delegation_save(&r, true, e) < 0)
		goto err;
	r.hook = "created";
	delegation_close(&r);
	return 0;
err:
	if (r.dirfd >= 0)
		(void)record_remove(&r, NULL); /* what is left of it goes with reap */
	record_close(&r);
	return -1;
}
