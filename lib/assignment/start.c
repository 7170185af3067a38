/* START: the archive is here; the lease begins and the task goes on the queue. */
#include "assignment/due.h"
#include "assignment/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "process/hook.h"
#include "base/jsonx.h"
#include "queue/queue.h"
#include "base/sha256.h"

int
assignment_startable(const json_t *record, const struct assignment_policy *p, struct err *e)
{
	if (fsm_next(&fsm_assignment, jsonx_text(record, "state", ""), FSM_RECEIVE_START, e) ==
	    NULL) {
		/* Also where a sweep was faster than the START. */
		if (strcmp(jsonx_text(record, "error.code", ""), err_name(ERR_START_EXPIRED)) != 0)
			return -1;
		err_set(e, ERR_START_EXPIRED, "%s", jsonx_text(record, "error.message", ""));
		return err_hint(e, "invite again");
	}
	return assignment_overdue(record, p, e);
}

int
assignment_arriving(const struct record *r)
{
	return file_lock(r->dirfd, ASSIGNMENT_BUSY, false, NULL);
}

/* What INVITE and START agree on: to change nothing, if either says so. */
static const char *
access_mode(const struct record *r, const json_t *start)
{
	if (strcmp(jsonx_text(r->json, "accessMode", "rw"), "ro") == 0)
		return "ro";
	return jsonx_text(start, "lease.accessMode", "rw");
}

/* The lease in force, up to *${until}: not beyond what this executor gives, whatever START says. */
static int
take_lease(struct record *r, const json_t *start, int64_t *until, struct err *e)
{
	int64_t expires, now = clock_now();
	char text[CLOCK_TEXT];

	if (clock_parse(jsonx_text(start, "lease.expiresAt", ""), &expires, e) < 0)
		return -1;
	if (expires <= now) {
		err_set(e, ERR_START_EXPIRED, "the lease had ended before the START was here");
		return err_hint(e, "invite again; compare the clocks of both machines");
	}
	int64_t longest = now + jsonx_number(r->json, "invite.lease.ttlSeconds", 0) * 1000;
	*until = expires < longest ? expires : longest;
	json_t *lease = json_pack("{ss ss}", "expiresAt", clock_format(*until, text), "accessMode",
				  access_mode(r, start));
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
	if (fdatasync(fd) < 0 || renameat(dirfd, name, r->dirfd, "workspace.archive") < 0)
		err_sys(e, "cannot keep the received archive");
	else
		status = 0; /* the record, which is saved beside it, makes its name durable */
	file_close(fd);
	return status;
}

/* Put ${task}, and note in ${r} where it is. */
static int
enqueue(struct record *r, json_t *task, struct err *e)
{
	const char *queue = jsonx_text(r->json, "queue", ASSIGNMENT_QUEUE);
	struct queue_receipt receipt;
	size_t done;

	struct queue *q = queue_open(queue, true, e);
	int status = q == NULL ? -1 : queue_put(q, &task, 1, &receipt, &done, e);
	queue_close(q);
	if (status < 0)
		return -1;
	return json_object_set_new(r->json, "taskNumber",
				   json_integer((json_int_t)receipt.number)) < 0
		   ? err_memory(e)
		   : 0;
}

int
assignment_start(const char *id, const char *owner, const struct assignment_policy *p,
		 const json_t *start, int dirfd, const char *name, uint64_t size,
		 const char *sha256, bool in_time, struct err *e)
{
	struct record r;
	json_t *task = NULL, *kept = NULL;
	int64_t until = 0;
	int status = -1;

	if (assignment_open(id, owner, true, &r, e) < 0 ||
	    (!in_time && assignment_startable(r.json, p, e) < 0) ||
	    assignment_step(&r, FSM_RECEIVE_START, e) < 0)
		goto out;
	int64_t most = jsonx_number(r.json, "maxArchiveBytes", INT64_MAX);
	if (most < 0 || size > (uint64_t)most) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "the workspace is larger than %lld bytes",
			(long long)most);
		goto out;
	}
	const char *checksum = jsonx_text(start, "transportHandle.checksum", "");
	if (!sha256_equal(checksum, sha256)) {
		err_set(e, ERR_CHECKSUM_MISMATCH, "the archive has SHA-256 %s, not %.64s", sha256,
			checksum);
		err_hint(e, "send it again");
		goto out;
	}
	if (take_lease(&r, start, &until, e) < 0 || take_archive(&r, dirfd, name, e) < 0)
		goto out;
	/* What becomes of it when its worker dies is the worker's to say, as the delegator is told.
	 */
	task = json_pack("{s{ss sI} si ss}", "payload", "assignment", id, "run",
			 (json_int_t)jsonx_number(r.json, "run", 0), "maxDeaths", 0, "recovery",
			 "retry");
	json_t *workspace = json_pack("{sI ss}", "bytes", (json_int_t)size, "sha256", sha256);
	if (task == NULL || json_object_set_new(r.json, "workspace", workspace) < 0) {
		err_memory(e);
		goto out;
	}
	/* The task first: one without an active record is dropped by the worker, an active record
	 * without a task would wait for ever.  The worker waits for our lock. */
	if (enqueue(&r, task, e) < 0 || record_save(&r, true, true, e) < 0)
		goto out;
	assignment_due(id, until);
	status = 0;
	kept = json_incref(r.json);
out:
	json_decref(task);
	record_close(&r);
	if (kept != NULL)
		hook_tell("started", id, kept);
	json_decref(kept);
	return status;
}
