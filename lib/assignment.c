#include "assignment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "fsm.h"
#include "home.h"
#include "id.h"
#include "journal.h"
#include "jsonx.h"
#include "message.h"
#include "queue.h"
#include "sha256.h"

#define COLLECTION "assignments"
#define JOURNAL "events.ndjson"
#define START_WITHIN_MS (10 * 60 * 1000) /* an INVITE without a START gives its place up */

int
assignment_policy(struct assignment_policy *p, struct err *e)
{
	const char *sandbox = getenv("AWCP_SANDBOX");

	p->sandboxed = sandbox == NULL || strcmp(sandbox, "none") != 0;
	if (home_limit("AWCP_MAX_ACTIVE", 256, &p->max_active, e) < 0 ||
	    home_limit("AWCP_MAX_TTL", 3600, &p->max_ttl, e) < 0 ||
	    home_limit("AWCP_MAX_RETENTION", 7 * 86400, &p->max_retention, e) < 0 ||
	    home_limit("AWCP_MAX_ARCHIVE", 16LL << 30, &p->max_archive, e) < 0)
		return -1;
	return 0;
}

static bool
owned_by(const json_t *record, const char *owner)
{
	if (owner == NULL)
		return json_is_true(json_object_get(record, "capability"));
	return strcmp(jsonx_text(record, "owner", ""), owner) == 0;
}

int
assignment_open(const char *id, const char *owner, bool change, struct record *r, struct err *e)
{
	if (record_open(COLLECTION, id, change, r, e) < 0) {
		/* A name that cannot be an id and one that is not there look the same. */
		if (e->code == ERR_BAD_DATA && !id_valid(id))
			(void)err_set(e, ERR_NOT_FOUND, "there is no such delegation here");
		return -1;
	}
	if (!owned_by(r->json, owner))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", id);
	return 0;
}

/* Change the state by ${event}; the record's lock is held. */
static int
step(struct record *r, enum fsm_event event, struct err *e)
{
	const char *next = fsm_next(&fsm_assignment, jsonx_text(r->json, "state", ""), event, e);

	if (next == NULL)
		return err_add(e, "%s", r->id);
	return jsonx_set(r->json, "state", next) < 0 ? err_memory(e) : 0;
}

static bool
unfinished(const struct record *r)
{
	return !fsm_ended(&fsm_assignment, jsonx_text(r->json, "state", ""));
}

/* Append the event that tells how ${r} ended, as its record has it. */
static int
tell_end(struct record *r, struct err *e)
{
	const json_t *error = json_object_get(r->json, "error");
	const json_t *result = json_object_get(r->json, "result");
	const char *snap = jsonx_text(result, "snapshotId", NULL);
	int status = -1;

	json_t *event = message_event(error != NULL ? "error" : "done", r->id, e);
	if (event == NULL)
		return -1;
	if (json_object_set(event, "timestamp", json_object_get(r->json, "completedAt")) < 0)
		goto out;
	if (error != NULL) {
		if (json_object_update(event, (json_t *)(uintptr_t)error) < 0)
			goto out;
	} else {
		if (json_object_set(event, "summary", json_object_get(result, "summary")) < 0)
			goto out;
		json_t *highlights = json_object_get(result, "highlights");
		if (highlights != NULL && json_object_set(event, "highlights", highlights) < 0)
			goto out;
		if (snap != NULL && (json_object_set_new(event, "snapshotIds",
					 json_pack("[s]", snap)) < 0 ||
					jsonx_set(event, "recommendedSnapshotId", snap) < 0))
			goto out;
	}
	status = journal_append(r->dirfd, JOURNAL, event, true, e);
	json_decref(event);
	return status;
out:
	json_decref(event);
	return err_memory(e);
}

/* Append the event that offers the snapshot; its archive stays in the file it names. */
static int
tell_snapshot(struct record *r, struct err *e)
{
	json_t *event = message_event("snapshot", r->id, e);

	if (event == NULL)
		return -1;
	if (json_object_update_missing(event, json_object_get(r->json, "result")) < 0 ||
	    jsonx_set(event, "snapshotFile", "result.zip") < 0 ||
	    json_object_set_new(event, "recommended", json_true()) < 0) {
		json_decref(event);
		return err_memory(e);
	}
	int status = journal_append(r->dirfd, JOURNAL, event, true, e);
	json_decref(event);
	return status;
}

/* The type of the last event in the journal, "" if there is none; copied. */
static int
last_event(struct record *r, char type[32], struct err *e)
{
	struct journal j;
	int n;

	type[0] = '\0';
	journal_open(&j);
	while ((n = journal_next(&j, r->dirfd, JOURNAL, e)) > 0) {
		json_t *event = jsonx_parse(j.line.data, j.line.len, NULL);
		(void)snprintf(type, 32, "%s", jsonx_text(event, "type", ""));
		json_decref(event);
	}
	journal_close(&j);
	return n;
}

int
assignment_settle(struct record *r, struct err *e)
{
	char type[32];

	if (unfinished(r))
		return 0;
	if (last_event(r, type, e) < 0)
		return -1;
	if (strcmp(type, "done") == 0 || strcmp(type, "error") == 0)
		return 0;
	if (json_object_get(r->json, "result") != NULL && strcmp(type, "snapshot") != 0 &&
	    tell_snapshot(r, e) < 0)
		return -1;
	return tell_end(r, e);
}

/* Write the end of ${r} by ${event}: record first, then journal. */
static int
finish(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	char now[CLOCK_TEXT];

	if (step(r, event, e) < 0)
		return -1;
	if (jsonx_set(r->json, "completedAt", clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	if (why != NULL) {
		json_t *error = json_object();
		if (error == NULL || message_put_error(error, why, e) < 0 ||
		    json_object_set(r->json, "error", error) < 0) {
			json_decref(error);
			return err_memory(e);
		}
		json_decref(error);
	}
	if (record_save(r, false, true, e) < 0)
		return -1;
	return assignment_settle(r, e);
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
	if (record_open(COLLECTION, id, true, &r, &e) == 0 &&
	    strcmp(jsonx_text(r.json, "state", ""), "pending") == 0 &&
	    clock_parse(jsonx_text(r.json, "invitedAt", ""), &created, &e) == 0 &&
	    created + START_WITHIN_MS < clock_now()) {
		struct err why;
		(void)err_set(&why, ERR_START_EXPIRED, "no START came in time");
		if (finish(&r, FSM_TASK_FAIL, &why, &e) == 0)
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
	if (record_list(COLLECTION, false, count_open, &c, e) < 0)
		return -1;
	if (c.open >= p->max_active) {
		c = (struct census){0, true};
		if (record_list(COLLECTION, false, count_open, &c, e) < 0)
			return -1;
	}
	if (c.open >= p->max_active) {
		(void)err_set(e, ERR_DECLINED, "%lld delegations are in hand, which is all that is "
					       "taken at once", c.open);
		return err_hint(e, "try again later");
	}
	return 0;
}

/* The ACCEPT for record ${r}. */
static json_t *
accept(const struct record *r, const struct assignment_policy *p, struct err *e)
{
	char path[8192];

	(void)snprintf(path, sizeof path, "%s/" COLLECTION "/%s/work", home_path(), r->id);
	json_t *m = message_new("ACCEPT", r->id, e);
	json_t *more = json_pack(
	    "{sI s{ss} s{ss sI s{sb sb sb} s[ss]}}", "retentionMs",
	    (json_int_t)jsonx_number(r->json, "retentionMs", 0), "executorWorkDir", "path", path,
	    "executorConstraints", "acceptedAccessMode",
	    jsonx_text(r->json, "invite.lease.accessMode", "rw"), "maxTtlSeconds",
	    (json_int_t)jsonx_number(r->json, "invite.lease.ttlSeconds", 1), "sandboxProfile",
	    "cwdOnly", p->sandboxed, "allowNetwork", 1, "allowExec", 1, "fidelity", "modes", "links");
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
	if (json_object_get(r->json, "createdAt") == NULL && jsonx_set(r->json, "createdAt", now) < 0)
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
	if (step(r, FSM_RECEIVE_INVITE, e) < 0)
		return -1;
	/* What was told of the last run must not end a stream of this one. */
	if (unlinkat(r->dirfd, JOURNAL, 0) < 0 && errno != ENOENT)
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

	int parent = home_dir(COLLECTION, e);
	int lockfd = parent < 0 ? -1 : file_lock(parent, ".admission", true, e);
	if (lockfd < 0)
		return NULL;
	int known = record_open(COLLECTION, id, true, &r, e);
	if (known == 0) {
		if (resume(&r, owner, e) < 0)
			goto out;
	} else {
		record_close(&r);
		if (e->code != ERR_NOT_FOUND)
			goto out;
		if (admit(invite, p, e) < 0 || record_create(COLLECTION, id, &r, e) < 0)
			goto out;
	}
	if (fill(&r, invite, owner, capability, p, e) == 0 && record_save(&r, true, true, e) == 0)
		answer = accept(&r, p, e);
out:
	record_close(&r);
	file_close(lockfd);
	return answer;
}

/* The lease in force: not beyond what this executor gives, whatever START says. */
static int
take_lease(struct record *r, const json_t *start, struct err *e)
{
	int64_t expires, now = clock_now();
	char text[CLOCK_TEXT];

	if (clock_parse(jsonx_text(start, "lease.expiresAt", ""), &expires, e) < 0)
		return -1;
	if (expires <= now) {
		(void)err_set(e, ERR_START_EXPIRED, "the lease had ended before the START was here");
		return err_hint(e, "invite again; compare the clocks of both machines");
	}
	int64_t longest = now + jsonx_number(r->json, "invite.lease.ttlSeconds", 0) * 1000;
	json_t *lease = json_pack("{ss ss}", "expiresAt",
	    clock_format(expires < longest ? expires : longest, text), "accessMode",
	    jsonx_text(start, "lease.accessMode", "rw"));
	if (lease == NULL || json_object_set_new(r->json, "lease", lease) < 0)
		return err_memory(e);
	return jsonx_set(r->json, "startedAt", clock_format(now, text)) < 0 ? err_memory(e) : 0;
}

/* Make the archive durable under its name in the assignment's directory. */
static int
take_archive(struct record *r, int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int status = -1;

	if (fd < 0)
		return err_sys(e, "cannot open the received archive");
	if (fdatasync(fd) < 0 || renameat(dirfd, name, r->dirfd, "workspace.zip") < 0)
		(void)err_sys(e, "cannot keep the received archive");
	else
		status = file_sync_dir(r->dirfd, e);
	file_close(fd);
	return status;
}

int
assignment_start(const char *id, const char *owner, const json_t *start, int dirfd,
    const char *name, uint64_t size, const char *sha256, struct err *e)
{
	struct record r;
	json_t *task = NULL;
	int status = -1;

	if (assignment_open(id, owner, true, &r, e) < 0 || step(&r, FSM_RECEIVE_START, e) < 0)
		goto out;
	const char *checksum = jsonx_text(start, "transportHandle.checksum", "");
	if (!sha256_equal(checksum, sha256)) {
		(void)err_set(e, ERR_CHECKSUM_MISMATCH, "the archive has SHA-256 %s, not %.64s", sha256,
		    checksum);
		(void)err_hint(e, "send it again");
		goto out;
	}
	if (take_lease(&r, start, e) < 0 || take_archive(&r, dirfd, name, e) < 0)
		goto out;
	task = json_pack("{ss sI}", "assignment", id, "run",
	    (json_int_t)jsonx_number(r.json, "run", 0));
	json_t *workspace = json_pack("{sI ss}", "bytes", (json_int_t)size, "sha256", sha256);
	if (task == NULL || json_object_set_new(r.json, "workspace", workspace) < 0) {
		(void)err_memory(e);
		goto out;
	}
	/* The task first: one without an active record is dropped by the worker, an active record
	 * without a task would wait for ever.  The worker waits for our lock. */
	if (queue_put(ASSIGNMENT_QUEUE, id, task, e) < 0 || record_save(&r, true, true, e) < 0)
		goto out;
	status = 0;
out:
	json_decref(task);
	record_close(&r);
	return status;
}

int
assignment_refuse(const char *id, const char *owner, const struct err *why, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	/* Only before it began: a second, broken START does not end what the first one began. */
	if (status == 0 && strcmp(jsonx_text(r.json, "state", ""), "pending") != 0)
		status = err_set(e, ERR_BAD_STATE, "%s has begun already", id);
	if (status == 0)
		status = finish(&r, FSM_TASK_FAIL, why, e);
	record_close(&r);
	return status;
}

/* Open ${id} for its worker in run ${run}, locked. */
static int
open_run(const char *id, int64_t run, struct record *r, struct err *e)
{
	if (record_open(COLLECTION, id, true, r, e) < 0) {
		if (e->code == ERR_NOT_FOUND)
			e->code = ERR_BAD_STATE;
		return -1;
	}
	const char *state = jsonx_text(r->json, "state", "");
	if (strcmp(state, "active") != 0)
		return err_set(e, ERR_BAD_STATE, "%s is not active any more but %s", id, state);
	if (jsonx_number(r->json, "run", 0) != run)
		return err_set(e, ERR_BAD_STATE, "%s was begun again meanwhile", id);
	return 0;
}

int
assignment_task(const char *id, int64_t run, struct record *r, struct err *e)
{
	int status = open_run(id, run, r, e);

	file_close(r->lockfd);
	r->lockfd = -1;
	return status;
}

static int
tell_status(const char *id, int64_t run, const char *kind, const char *text, struct err *e)
{
	struct record r;
	json_t *event = NULL;
	int status = open_run(id, run, &r, e);

	if (status == 0 && ((event = message_event("status", id, e)) == NULL ||
			       jsonx_set(event, "status", kind) < 0 ||
			       jsonx_set(event, "message", text) < 0))
		status = err_memory(e);
	if (status == 0)
		status = journal_append(r.dirfd, JOURNAL, event, false, e);
	json_decref(event);
	record_close(&r);
	return status;
}

int
assignment_running(const char *id, int64_t run, struct err *e)
{
	return tell_status(id, run, "running", "Task execution started", e);
}

int
assignment_progress(const char *id, int64_t run, const char *text, struct err *e)
{
	return tell_status(id, run, "progress", text, e);
}

int
assignment_complete(const char *id, int64_t run, const json_t *result, const json_t *metadata,
    struct err *e)
{
	char snap[ID_MAX + 1];
	struct record r;
	int status = open_run(id, run, &r, e);

	if (status == 0)
		status = id_make("snap_", 12, snap, e);
	if (status == 0) {
		json_t *kept = json_deep_copy(result);
		if (kept == NULL || jsonx_set(kept, "snapshotId", snap) < 0 ||
		    (metadata != NULL &&
			json_object_set(kept, "metadata", (json_t *)(uintptr_t)metadata) < 0) ||
		    json_object_set(r.json, "result", kept) < 0)
			status = err_memory(e);
		json_decref(kept);
	}
	if (status == 0)
		status = finish(&r, FSM_TASK_COMPLETE, NULL, e);
	record_close(&r);
	return status;
}

int
assignment_fail(const char *id, int64_t run, const struct err *why, struct err *e)
{
	struct record r;
	int status = open_run(id, run, &r, e);

	if (status == 0)
		status = finish(&r, FSM_TASK_FAIL, why, e);
	record_close(&r);
	return status;
}

int
assignment_cancel(const char *id, const char *owner, const struct err *why, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	if (status == 0)
		status = finish(&r, why->code == ERR_CANCELLED ? FSM_CANCEL : FSM_RECEIVE_ERROR, why, e);
	record_close(&r);
	return status;
}

int
assignment_acknowledge(const char *id, const char *owner, struct err *e)
{
	struct record r;
	int status = assignment_open(id, owner, true, &r, e);

	if (status == 0 && unfinished(&r))
		status = err_set(e, ERR_BAD_STATE, "%s has not ended", id);
	if (status == 0)
		status = record_remove(&r, e);
	record_close(&r);
	return status;
}
