/* INVITE: who is taken on, and what is answered. */
#include "assignment_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "home.h"
#include "jsonx.h"
#include "message.h"

#define START_WITHIN_MS (10 * 60 * 1000) /* an INVITE without a START gives its place up */

int
assignment_policy(struct assignment_policy *p, struct err *e)
{
	if (sandbox_parse(getenv("AWCP_SANDBOX"), &p->sandbox, e) < 0) {
		if (e != NULL)
			e->code = ERR_CONFIG; /* not of the command line */
		return err_add(e, "AWCP_SANDBOX");
	}
	if (home_limit("AWCP_MAX_ACTIVE", 256, &p->max_active, e) < 0 ||
	    home_limit("AWCP_MAX_TTL", 3600, &p->max_ttl, e) < 0 ||
	    home_limit("AWCP_MAX_RETENTION", 7 * 86400, &p->max_retention, e) < 0 ||
	    home_limit("AWCP_MAX_ARCHIVE", 16LL << 30, &p->max_archive, e) < 0)
		return -1;
	return 0;
}

/* Give up the place of INVITEs that were never followed by a START. */
struct census {
	long long open;
	bool expire;
};

static int
count_open(void *arg, const char *id)
{
	struct census *c = arg;
	struct record r;
	struct err e;
	int64_t created;

	c->open++;
	if (!c->expire)
		return 0;
	if (record_open(ASSIGNMENTS, id, true, &r, &e) == 0 &&
	    strcmp(jsonx_text(r.json, "state", ""), "pending") == 0 &&
	    clock_parse(jsonx_text(r.json, "invitedAt", ""), &created, &e) == 0 &&
	    created + START_WITHIN_MS < clock_now()) {
		struct err why;
		(void)err_set(&why, ERR_START_EXPIRED, "no START came in time");
		if (assignment_finish(&r, FSM_TASK_FAIL, &why, &e) == 0)
			c->open--;
	}
	record_close(&r);
	return 0;
}

static int
admit(const json_t *invite, const struct assignment_policy *p, struct err *e)
{
	struct census c = {0, false};
	int64_t ttl = jsonx_number(invite, "lease.ttlSeconds", 0);

	if (ttl > p->max_ttl) {
		(void)err_set(e, ERR_DECLINED, "a lease of %lld s is longer than is given here",
			      (long long)ttl);
		return err_hint(e, "ask for at most %lld s", p->max_ttl);
	}
	if (record_list(ASSIGNMENTS, false, count_open, &c, e) < 0)
		return -1;
	if (c.open >= p->max_active) {
		c = (struct census){0, true};
		if (record_list(ASSIGNMENTS, false, count_open, &c, e) < 0)
			return -1;
	}
	if (c.open >= p->max_active) {
		(void)err_set(e, ERR_DECLINED,
			      "%lld delegations are in hand, which is all that is "
			      "taken at once",
			      c.open);
		return err_hint(e, "try again later");
	}
	return 0;
}

/* The ACCEPT for record ${r}. */
static json_t *
accept(const struct record *r, const struct assignment_policy *p, struct err *e)
{
	char path[8192];

	(void)snprintf(path, sizeof path, "%s/" ASSIGNMENTS "/%s/work", home_path(), r->id);
	json_t *m = message_new("ACCEPT", r->id, e);
	json_t *more = json_pack(
	    "{sI s{ss} s{ss sI so so}}", "retentionMs",
	    (json_int_t)jsonx_number(r->json, "retentionMs", 0), "executorWorkDir", "path", path,
	    "executorConstraints", "acceptedAccessMode",
	    jsonx_text(r->json, "invite.lease.accessMode", "rw"), "maxTtlSeconds",
	    (json_int_t)jsonx_number(r->json, "invite.lease.ttlSeconds", 1), "sandboxProfile",
	    sandbox_announce(&p->sandbox, e), "fidelity", message_fidelity());
	if (m == NULL || more == NULL || json_object_update(m, more) < 0) {
		json_decref(m);
		m = NULL;
		(void)err_memory(e);
	}
	json_decref(more);
	return m;
}

/* Fill the record of a new or resumed assignment from ${invite}. */
static int
fill(struct record *r, const json_t *invite, const char *owner, bool capability,
     const struct assignment_policy *p, struct err *e)
{
	char now[CLOCK_TEXT];
	int64_t retention = jsonx_number(invite, "retentionMs", 0);
	json_t *kept = json_copy((json_t *)(uintptr_t)invite);

	if (retention > p->max_retention * 1000)
		retention = p->max_retention * 1000;
	if (kept == NULL)
		return err_memory(e);
	(void)json_object_del(kept, "auth"); /* a secret stays in no file; it may not be there */
	(void)clock_format(clock_now(), now);
	json_object_del(r->json, "error");
	json_object_del(r->json, "result");
	json_object_del(r->json, "lease");
	json_object_del(r->json, "startedAt");
	json_object_del(r->json, "completedAt");
	int64_t run = jsonx_number(r->json, "run", 0) + 1;
	if (json_object_get(r->json, "createdAt") == NULL &&
	    jsonx_set(r->json, "createdAt", now) < 0)
		goto err1;
	if (jsonx_set(r->json, "id", r->id) < 0 || jsonx_set(r->json, "state", "pending") < 0 ||
	    jsonx_set(r->json, "owner", owner) < 0 || jsonx_set(r->json, "invitedAt", now) < 0 ||
	    json_object_set_new(r->json, "capability", json_boolean(capability)) < 0 ||
	    json_object_set_new(r->json, "run", json_integer(run)) < 0 ||
	    json_object_set_new(r->json, "retentionMs", json_integer(retention)) < 0)
		goto err1;
	return json_object_set_new(r->json, "invite", kept) < 0 ? err_memory(e) : 0;
err1:
	json_decref(kept);
	return err_memory(e);
}

/* Begin the known assignment ${r} again; the lock is held. */
static int
resume(struct record *r, const char *owner, struct err *e)
{
	if (strcmp(jsonx_text(r->json, "owner", ""), owner) != 0)
		return err_set(e, ERR_DECLINED, "the delegation is not taken");
	if (assignment_step(r, FSM_RECEIVE_INVITE, e) < 0)
		return -1;
	/* What was told of the last run must not end a stream of this one. */
	if (unlinkat(r->dirfd, ASSIGNMENT_JOURNAL, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot begin the journal anew");
	return 0;
}

json_t *
assignment_invite(const json_t *invite, const char *owner, bool capability,
		  const struct assignment_policy *p, struct err *e)
{
	const char *id = jsonx_text(invite, "delegationId", "");
	json_t *answer = NULL;
	struct record r;

	if (sandbox_meets(&p->sandbox, jsonx_at(invite, "requirements.sandbox"), e) < 0)
		return NULL;
	int parent = home_dir(ASSIGNMENTS, e);
	int lockfd = parent < 0 ? -1 : file_lock(parent, ".admission", true, e);
	if (lockfd < 0)
		return NULL;
	int known = record_open(ASSIGNMENTS, id, true, &r, e);
	if (known == 0) {
		if (resume(&r, owner, e) < 0)
			goto out;
	} else {
		record_close(&r);
		if (e->code != ERR_NOT_FOUND)
			goto out;
		if (admit(invite, p, e) < 0 || record_create(ASSIGNMENTS, id, &r, e) < 0)
			goto out;
	}
	if (fill(&r, invite, owner, capability, p, e) == 0 && record_save(&r, true, true, e) == 0)
		answer = accept(&r, p, e);
out:
	record_close(&r);
	file_close(lockfd);
	return answer;
}
