/* INVITE: who is taken on, and what is answered. */
#include "assignment/due.h"
#include "assignment/private.h"
#include "assignment/slots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "wire/message.h"

/* The ACCEPT for record ${r}. */
static json_t *
accept(const struct record *r, const struct assignment_policy *p, struct err *e)
{
	char path[8192];

	(void)snprintf(path, sizeof path, "%s/" ASSIGNMENTS "/%s/work", home_path(), r->id);
	json_t *more = json_pack(
	    "{sI s{ss} s{ss sI so so}}", "retentionMs",
	    (json_int_t)jsonx_number(r->json, "retentionMs", 0), "executorWorkDir", "path", path,
	    "executorConstraints", "acceptedAccessMode", jsonx_text(r->json, "accessMode", "rw"),
	    "maxTtlSeconds", (json_int_t)jsonx_number(r->json, "invite.lease.ttlSeconds", 1),
	    "sandboxProfile", sandbox_announce(&p->sandbox, e), "fidelity", message_fidelity());
	return message_new("ACCEPT", r->id, more, e);
}

/* Note in ${r} what was agreed on. */
static int
fill_terms(struct record *r, const json_t *invite, const struct assignment_guest *g,
	   const struct assignment_policy *p)
{
	int64_t retention = jsonx_number(invite, "retentionMs", 0);
	char first[ID_MAX + 1];

	if (retention > p->max_retention * 1000)
		retention = p->max_retention * 1000;
	if (jsonx_set(r->json, "owner", g->owner) < 0 ||
	    json_object_set_new(r->json, "capability", json_boolean(g->capability)) < 0 ||
	    jsonx_set(r->json, "accessMode",
		      p->read_only ? "ro" : jsonx_text(invite, "lease.accessMode", "ro")) < 0 ||
	    jsonx_set(r->json, "queue", assignment_queue(invite, &g->limits, first)) < 0 ||
	    json_object_set_new(r->json, "maxArchiveBytes",
				json_integer(assignment_limit(p->max_archive, g->limits.bytes))) <
		0)
		return -1;
	return json_object_set_new(r->json, "retentionMs", json_integer(retention));
}

/* Fill the record of a new or resumed assignment from ${invite}. */
static int
fill(struct record *r, const json_t *invite, const struct assignment_guest *g,
     const struct assignment_policy *p, struct err *e)
{
	static const char *const old[] = {"error",     "result",      "lease",
					  "startedAt", "completedAt", "workspace"};
	char now[CLOCK_TEXT];

	for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
		(void)json_object_del(r->json, old[i]); /* most are not there */
	(void)clock_format(clock_now(), now);
	int64_t run = jsonx_number(r->json, "run", 0) + 1;
	if ((json_object_get(r->json, "createdAt") == NULL &&
	     jsonx_set(r->json, "createdAt", now) < 0) ||
	    jsonx_set(r->json, "id", r->id) < 0 || jsonx_set(r->json, "state", "pending") < 0 ||
	    jsonx_set(r->json, "invitedAt", now) < 0 ||
	    json_object_set_new(r->json, "run", json_integer(run)) < 0 ||
	    fill_terms(r, invite, g, p) < 0 ||
	    json_object_set_new(r->json, "invite", assignment_without_auth(invite)) < 0)
		return err_memory(e);
	return 0;
}

/* Begin the known assignment ${r} again; the lock is held. */
static int
resume(struct record *r, const char *owner, struct err *e)
{
	if (strcmp(jsonx_text(r->json, "owner", ""), owner) != 0)
		return assignment_not_taken(e);
	if (assignment_step(r, FSM_RECEIVE_INVITE, e) < 0)
		return -1;
	/* What was told of the last run must not end a stream of this one. */
	if (unlinkat(r->dirfd, ASSIGNMENT_JOURNAL, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot begin the journal anew");
	return 0;
}

/* Open the record of ${id}, locked: the known one, to be resumed, or a new one. */
static int
open_or_create(const char *id, const char *owner, struct record *r, struct err *e)
{
	for (;;) {
		if (record_open(ASSIGNMENTS, id, true, r, e) == 0)
			return resume(r, owner, e);
		record_close(r);
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (record_create(ASSIGNMENTS, id, r, e) == 0)
			return 0;
		record_close(r);
		if (e->code != ERR_CONFLICT)
			return -1;
		/* Another INVITE for the same id was quicker. */
	}
}

/* Does somebody else have ${id}?  Asked before a place is taken for it, and answered at the very
 * end, so that such an INVITE is treated like any other up to there. */
static bool
is_foreign(const char *id, const char *owner)
{
	struct record r;
	struct err ignored;

	bool foreign = record_open(ASSIGNMENTS, id, false, &r, &ignored) == 0 &&
		       strcmp(jsonx_text(r.json, "owner", ""), owner) != 0;
	record_close(&r);
	return foreign;
}

json_t *
assignment_invite(const json_t *invite, const struct assignment_guest *g,
		  const struct assignment_policy *p, struct err *e)
{
	const char *id = jsonx_text(invite, "delegationId", "");
	json_t *answer = NULL;
	struct record r;

	if (assignment_terms(invite, g, p, e) < 0)
		return NULL;
	bool foreign = is_foreign(id, g->owner);
	int room = assignment_room_take(id, g->owner, &g->limits, p, foreign, e);
	if (room < 0)
		return NULL;
	if (assignment_ask_hook(invite, g, e) < 0)
		goto out;
	if (foreign) {
		(void)assignment_not_taken(e);
		goto out;
	}
	if (open_or_create(id, g->owner, &r, e) == 0 && fill(&r, invite, g, p, e) == 0 &&
	    record_save(&r, true, true, e) == 0) {
		assignment_due(id, clock_now() + p->start_within * 1000);
		answer = accept(&r, p, e);
	}
	record_close(&r);
out:
	if (answer == NULL && room > 0 && !foreign)
		assignment_room_leave(id);
	return answer;
}
