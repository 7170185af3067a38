/* START: the archive has arrived; the lease begins and the task is put on the queue. */
#include "assignment/due.h"
#include "assignment/members.h"
#include "assignment/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/queue.h"
#include "base/sha256.h"
#include "wire/members.h"

int
assignment_startable(const json_t *record, const struct assignment_policy *p, struct err *e)
{
	if (fsm_next(&fsm_assignment, record_state(record), FSM_RECEIVE_START, e) != NULL)
		return assignment_overdue(record, p, e);
	/* A sweep may have been faster than the START. */
	if (strcmp(record_error_code(record), err_name(ERR_START_EXPIRED)) != 0)
		return -1;
	err_set(e, ERR_START_EXPIRED, "%s", record_error_message(record));
	return err_hint(e, "invite again");
}

int
assignment_hold_invite(const struct record *r)
{
	return file_lock(r->dirfd, ASSIGNMENT_BUSY, false, NULL);
}

/* What INVITE and START agree on: to change nothing, if either says so. */
static const char *
access_mode(const struct record *r, const json_t *start)
{
	if (strcmp(assignment_access_mode(r->json), "ro") == 0)
		return "ro";
	return start_access_mode(start);
}

/* Set the lease in force, up to *${until}: START may ask for less than INVITE, but not for more. */
static int
set_lease(struct record *r, const json_t *start, int64_t *until, struct err *e)
{
	int64_t expires, now = clock_now();
	char text[CLOCK_TEXT];

	if (clock_parse(start_expires_at(start), &expires, e) < 0)
		return -1;
	if (expires <= now) {
		err_set(e, ERR_START_EXPIRED, "the lease had ended before the START was here");
		return err_hint(e, "invite again; compare the clocks of both machines");
	}
	int64_t max = now + invite_ttl(assignment_invite(r->json)) * 1000;
	*until = expires < max ? expires : max;
	if (assignment_set_lease(r->json, json_object()) < 0 ||
	    assignment_set_lease_expires_at(r->json, clock_format(*until, text)) < 0 ||
	    assignment_set_lease_access_mode(r->json, access_mode(r, start)) < 0 ||
	    assignment_set_started_at(r->json, clock_format(now, text)) < 0)
		return err_memory(e);
	return 0;
}

/* Make the archive durable under its name in the assignment's directory. */
static int
store_archive(struct record *r, const struct assignment_archive *a, struct err *e)
{
	int fd = openat(a->dirfd, a->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int status = 0;

	if (fd < 0)
		return err_sys(e, "cannot open the received archive");
	/* The record, which is saved beside it, makes its name durable. */
	if (fdatasync(fd) < 0 || renameat(a->dirfd, a->name, r->dirfd, "workspace.archive") < 0)
		status = err_sys(e, "cannot store the received archive");
	file_close(fd);
	return status;
}

/* Put ${task} on the queue of ${r}, and note there where it is. */
static int
enqueue(struct record *r, json_t *task, struct err *e)
{
	struct queue_receipt receipt;
	size_t done;

	struct queue *q = queue_open(assignment_queue(r->json), true, e);
	if (q == NULL)
		return -1;
	int status = queue_put(q, &task, 1, &receipt, &done, e);
	queue_close(q);
	if (status < 0)
		return -1;
	return assignment_set_task_number(r->json, (int64_t)receipt.number) < 0 ? err_memory(e) : 0;
}

/* The task that carries out ${r}; NULL out of memory. */
static json_t *
make_task(const struct record *r)
{
	json_t *task = json_object();

	/* When its worker dies, the worker decides what happens, as it reports to the delegator. */
	if (task == NULL || task_set_assignment(task, r->id) < 0 ||
	    task_set_run_number(task, assignment_run(r->json)) < 0 ||
	    task_set_max_deaths(task, 0) < 0 || task_set_recovery(task, "retry") < 0) {
		json_decref(task);
		return NULL;
	}
	return task;
}

struct start {
	const struct assignment_policy *policy;
	const json_t *message;
	const struct assignment_archive *archive;
};

static int
check_start(struct record *r, const struct start *s, struct err *e)
{
	const struct assignment_archive *a = s->archive;
	const char *checksum = start_checksum(s->message);
	int64_t max = assignment_max_archive(r->json);

	if (!a->in_time && assignment_startable(r->json, s->policy, e) < 0)
		return -1;
	if (fsm_step(&fsm_assignment, r, FSM_RECEIVE_START, e) < 0)
		return -1;
	if (max < 0 || a->size > (uint64_t)max)
		return err_set(e, ERR_WORKSPACE_TOO_LARGE,
			       "the workspace is larger than %lld bytes", (long long)max);
	if (!sha256_equal(checksum, a->sha256)) {
		err_set(e, ERR_CHECKSUM_MISMATCH, "the archive has SHA-256 %s, not %.64s",
			a->sha256, checksum);
		return err_hint(e, "send it again");
	}
	return 0;
}

static int
start_locked(struct record *r, const void *arg, struct err *e)
{
	const struct start *s = arg;
	int64_t until = 0;

	if (check_start(r, s, e) < 0 || set_lease(r, s->message, &until, e) < 0 ||
	    store_archive(r, s->archive, e) < 0)
		return -1;
	json_t *workspace = json_pack("{sI ss}", "bytes", (json_int_t)s->archive->size, "sha256",
				      s->archive->sha256);
	json_t *task = make_task(r);
	int status = -1;
	/* The task first: one without an active record is dropped by the worker, an active record
	 * without a task would wait for ever.  The worker waits for our lock. */
	if (assignment_set_workspace(r->json, workspace) < 0 || task == NULL)
		err_memory(e);
	else if (enqueue(r, task, e) == 0)
		status = record_save(r, true, true, e);
	json_decref(task);
	if (status == 0)
		assignment_set_due(r->id, until);
	else if (e != NULL && e->code == ERR_NO_SPACE)
		(void)unlinkat(r->dirfd, "workspace.archive", 0); /* nobody would look for it */
	return status;
}

int
assignment_start(const char *id, const char *owner, const struct assignment_policy *p,
		 const json_t *start, const struct assignment_archive *a, struct err *e)
{
	struct start s = {p, start, a};

	return assignment_change(id, owner, start_locked, &s, e);
}
