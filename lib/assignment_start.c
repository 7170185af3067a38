/* START: the archive is here; the lease begins and the task goes on the queue. */
#include "assignment_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "jsonx.h"
#include "queue.h"
#include "sha256.h"

/* The lease in force: not beyond what this executor gives, whatever START says. */
static int
take_lease(struct record *r, const json_t *start, struct err *e)
{
	int64_t expires, now = clock_now();
	char text[CLOCK_TEXT];

	if (clock_parse(jsonx_text(start, "lease.expiresAt", ""), &expires, e) < 0)
		return -1;
	if (expires <= now) {
		(void)err_set(e, ERR_START_EXPIRED,
			      "the lease had ended before the START was here");
		return err_hint(e, "invite again; compare the clocks of both machines");
	}
	int64_t longest = now + jsonx_number(r->json, "invite.lease.ttlSeconds", 0) * 1000;
	json_t *lease = json_pack("{ss ss}", "expiresAt",
				  clock_format(expires < longest ? expires : longest, text),
				  "accessMode", jsonx_text(start, "lease.accessMode", "rw"));
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

	if (assignment_open(id, owner, true, &r, e) < 0 ||
	    assignment_step(&r, FSM_RECEIVE_START, e) < 0)
		goto out;
	const char *checksum = jsonx_text(start, "transportHandle.checksum", "");
	if (!sha256_equal(checksum, sha256)) {
		(void)err_set(e, ERR_CHECKSUM_MISMATCH, "the archive has SHA-256 %s, not %.64s",
			      sha256, checksum);
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
