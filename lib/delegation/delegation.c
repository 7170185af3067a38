#include "delegation/delegation.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/clock.h"
#include "delegation/credential.h"
#include "delegation/due.h"
#include "delegation/members.h"
#include "config/settings.h"
#include "process/hook.h"
#include "base/jsonx.h"
#include "wire/message.h"

#define RETENTION_MAX_S (100LL * 366 * 86400)

static json_t *
describe_environment(const struct delegation_order *o)
{
	json_t *list;

	if (o->environment != NULL)
		return json_incref(o->environment);
	list = json_array();

	for (size_t i = 0; i < o->count; i++) {
		const struct resource *r = &o->resources[i];
		json_t *one =
		    json_pack("{ss ss ss ss}", "name", r->name, "type", "fs", "source", r->source,
			      "mode", r->writable && strcmp(o->access, "rw") == 0 ? "rw" : "ro");
		if (one != NULL && json_array_size(o->exclude) > 0)
			(void)json_object_set(one, "exclude", o->exclude);
		if (one != NULL && json_array_size(o->include) > 0)
			(void)json_object_set(one, "include", o->include);
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{so}", "resources", list);
}

static int
check_order(const struct delegation_order *o, struct err *e)
{
	if (strlen(o->prompt) > MESSAGE_PROMPT) {
		err_set(e, ERR_TOO_LARGE, "the prompt is longer than %d bytes", MESSAGE_PROMPT);
		return err_hint(
		    e, "put the text into a file of the workspace and name it in the prompt");
	}
	if (strlen(o->description) > MESSAGE_DESCRIPTION)
		return err_set(e, ERR_TOO_LARGE, "the description is longer than %d bytes",
			       MESSAGE_DESCRIPTION);
	if (o->count < 1 || o->count > MESSAGE_RESOURCES)
		return err_set(e, ERR_USAGE, "a delegation has 1 to %d resources",
			       MESSAGE_RESOURCES);
	for (size_t i = 0; i < o->count; i++) {
		if (!id_resource_valid(o->resources[i].name)) {
			err_set(e, ERR_USAGE, "%.64s cannot be the name of a resource",
				o->resources[i].name);
			return err_hint(
			    e, "give it one: -r name=path; 1 to 255 bytes, no slash or control "
			       "character, not . or .. or .awcp");
		}
		for (size_t j = 0; j < i; j++)
			if (strcmp(o->resources[i].name, o->resources[j].name) == 0) {
				err_set(e, ERR_USAGE, "two resources have the name %s",
					o->resources[i].name);
				return err_hint(e, "give one another name: -r name=path");
			}
	}
	return 0;
}

/* The record of ${o} as it is at first; NULL on failure. */
static json_t *
describe(const struct delegation_order *o, const char *id, struct err *e)
{
	long long most, kept;
	char now[CLOCK_TEXT];

	if (setting_number(SETTING_KEEP_SNAPSHOTS, &most, e) < 0 ||
	    setting_number(SETTING_RETENTION, &kept, e) < 0)
		return NULL;
	if (kept > RETENTION_MAX_S)
		kept = RETENTION_MAX_S;
	json_t *d = json_pack("{ss ss ss so s{} s{sI ss} sI s{ss sI} s[] ss}", "id", id, "state",
			      "created", "peerUrl", o->url, "environment", describe_environment(o),
			      "task", "leaseConfig", "ttlSeconds", (json_int_t)o->ttl, "accessMode",
			      o->access, "retentionMs", (json_int_t)kept * 1000, "snapshotPolicy",
			      "mode", o->mode, "maxSnapshots", (json_int_t)(most > 0 ? most : 1),
			      "snapshots", "createdAt", clock_format(clock_now(), now));
	json_t *task = delegation_task(d);
	/* The prompt may come from anywhere: what is not UTF-8 in it is mended, not refused. */
	if (d == NULL || jsonx_set(task, "description", o->description) < 0 ||
	    jsonx_set(task, "prompt", o->prompt) < 0 ||
	    (o->owner != NULL && delegation_set_owner(d, o->owner) < 0) ||
	    (o->token_file != NULL && delegation_set_token_file(d, o->token_file) < 0)) {
		err_set(e, ERR_USAGE, "the address, a path or a pattern is not UTF-8 text");
		goto err;
	}
	if ((o->sandbox == NULL || json_object_set(d, "sandbox", o->sandbox) == 0) &&
	    (!o->narrower || json_object_set_new(d, "narrower", json_true()) == 0))
		return d;
	err_memory(e);
err:
	json_decref(d);
	return NULL;
}

/* What does the operator's own program say of ${d}?  ERR_PERMISSION if it refuses, ERR_BUSY if it
 * cannot be asked: it might have refused. */
static int
ask_hook(const json_t *d, const char *id, struct err *e)
{
	char answer[HOOK_ANSWER];
	struct err why;

	int status = hook_ask("admission", id, delegation_owner(d), d, answer, &why);
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
delegation_create(const struct delegation_order *o, char id[ID_MAX + 1], struct err *e)
{
	struct record r;
	int status = -1;

	if (check_order(o, e) < 0 || id_make("dlg_", 32, id, e) < 0)
		return -1;
	json_t *d = describe(o, id, e);
	if (d == NULL || ask_hook(d, id, e) < 0) {
		json_decref(d);
		return -1;
	}
	if (record_create(DELEGATIONS, id, &r, e) < 0) {
		json_decref(d);
		goto out;
	}
	json_decref(r.json);
	r.json = d;
	if (o->auth != NULL && credential_keep(&r, o->auth, e) < 0)
		goto out;
	status = delegation_save(&r, true, e);
out:
	if (status < 0 && r.dirfd >= 0)
		(void)record_remove(&r, NULL);
	delegation_close(&r, status == 0 ? "created" : NULL);
	return status;
}

void
delegation_close(struct record *r, const char *hook)
{
	json_t *kept = hook != NULL ? json_incref(r->json) : NULL;

	record_close(r);
	if (kept != NULL)
		hook_notify(hook, r->id, kept);
	json_decref(kept);
}

bool
delegation_ended(const json_t *delegation)
{
	return fsm_ended(&fsm_delegation, delegation_state(delegation));
}

bool
delegation_waits(const json_t *delegation)
{
	const json_t *one;
	bool pending = false;
	size_t i;

	if (strcmp(delegation_state(delegation), "completed") != 0 ||
	    strcmp(delegation_snapshot_mode(delegation), "auto") != 0 ||
	    delegation_applied_snapshot_id(delegation) != NULL)
		return false;
	json_array_foreach (delegation_snapshots(delegation), i, one) {
		if (snapshot_undone_at(one) != NULL)
			return false;
		pending |= strcmp(snapshot_status(one), "pending") == 0;
	}
	return pending;
}

int
delegation_step(struct record *r, enum fsm_event event, struct err *e)
{
	const char *next = fsm_next(&fsm_delegation, delegation_state(r->json), event, e);

	if (next == NULL)
		return err_add(e, "%s", r->id);
	r->event = fsm_event_name(event);
	return delegation_set_state(r->json, next) < 0 ? err_memory(e) : 0;
}

int
delegation_save(struct record *r, bool durable, struct err *e)
{
	bool ended = delegation_ended(r->json);

	if (ended) {
		credential_forget(r);
		(void)json_object_del(r->json, "questions"); /* mostly there are none */
	}
	bool open =
	    !ended || (delegation_waits(r->json) && delegation_apply_error(r->json) == NULL);
	delegation_note_due(r);
	int status = record_save(r, open, durable, e);
	if (status == 0 && ended)
		credential_remove(r);
	return status;
}

int
delegation_outcome(const json_t *delegation, struct err *e)
{
	const char *state = delegation_state(delegation);
	const json_t *error = delegation_error(delegation);

	if (strcmp(state, "completed") == 0)
		return 0;
	if (error != NULL) {
		(void)message_error(error, e);
		return err_add(e, "%s", state);
	}
	if (strcmp(state, "cancelled") == 0)
		return err_set(e, ERR_CANCELLED, "it was cancelled");
	if (strcmp(state, "expired") == 0)
		return err_set(e, ERR_EXPIRED, "its lease has ended");
	return err_set(e, ERR_BUSY, "it is %s", state);
}
