#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* The lease of the claim in ${fd} ends at ${ms}. */
static int
set_lease(int fd, int64_t ms, struct err *e)
{
	struct timespec t = clock_timespec(ms);

	return futimens(fd, (struct timespec[]){t, t}) < 0 ? err_sys(e, "cannot set a lease") : 0;
}

int64_t
queue_lease_clock(const struct queue *q)
{
	return clock_since_boot() + q->index.head.origin;
}

/* Lock the file if the claim is held, and write who has it: that is for people, and on a full disk
 * they do without.  Only then is it executable: whoever looks tries the lock of no other. */
static int
fill_file(int fd, uint32_t attempt, const struct queue_worker *w)
{
	char text[160];
	int n = snprintf(text, sizeof text, "%u %.120s\n", attempt, w->name);

	if (w->held && (flock(fd, LOCK_EX | LOCK_NB) < 0 || fchmod(fd, 0700) < 0))
		return -1;
	if (write(fd, text, (size_t)n) != n && errno != ENOSPC && errno != EDQUOT)
		return -1;
	return 0;
}

int
queue_running_make(struct queue *q, struct queue_claim_id claim, const struct queue_worker *w,
		   struct err *e)
{
	char name[QUEUE_FILE];

	queue_running_remove(q, claim.number); /* of an earlier claim that ended */
	int fd = openat(q->runningfd, queue_file_of(claim.number, name),
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot claim task %s.%s", q->name, name);
	if (fill_file(fd, claim.attempt, w) < 0) {
		err_sys(e, "cannot claim task %s.%s", q->name, name);
		goto fail;
	}
	if (set_lease(fd, queue_lease_clock(q) + w->lease, e) < 0)
		goto fail;
	return fd;
fail:
	file_close(fd);
	return -1;
}

int
queue_running_extend(struct queue *q, uint64_t number, int64_t lease, struct err *e)
{
	char name[QUEUE_FILE];

	int fd = openat(q->runningfd, queue_file_of(number, name), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "cannot extend the lease of %s.%s", q->name, name);
	int status = set_lease(fd, queue_lease_clock(q) + lease, e);
	file_close(fd);
	return status;
}

void
queue_running_remove(struct queue *q, uint64_t number)
{
	char name[QUEUE_FILE];

	(void)unlinkat(q->runningfd, queue_file_of(number, name), 0);
}

static enum queue_lapse
check_claim(const struct queue *q, const char *name)
{
	enum queue_lapse lapse = QUEUE_HOLDS;
	struct stat st;

	int fd = openat(q->runningfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return QUEUE_HOLDS;
	if (fstat(fd, &st) == 0) {
		if ((st.st_mode & S_IXUSR) != 0 && flock(fd, LOCK_SH | LOCK_NB) == 0)
			lapse = QUEUE_WORKER_DIED;
		else if (queue_lease_clock(q) > clock_ms(st.st_mtim))
			lapse = QUEUE_LEASE_ENDED;
	}
	file_close(fd);
	return lapse;
}

enum queue_lapse
queue_running_state(const struct queue *q, uint64_t number)
{
	char name[QUEUE_FILE];

	return check_claim(q, queue_file_of(number, name));
}

int
queue_running_lapsed(struct queue *q, int (*each)(void *arg, uint64_t number, enum queue_lapse why),
		     void *arg, struct err *e)
{
	DIR *dir = file_list(q->runningfd, ".");
	const char *name;
	int status = 0;

	if (dir == NULL)
		return err_sys(e, "cannot read running/");
	while (status >= 0 && (name = file_next(&dir)) != NULL) {
		uint64_t number = strtoull(name, NULL, 10);
		enum queue_lapse why = number == 0 ? QUEUE_HOLDS : check_claim(q, name);
		if (why != QUEUE_HOLDS)
			status = each(arg, number, why);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return status;
}

/* How long the lease of the task of ${cell} is, ms; 0 if that is not known. */
static int64_t
lease_of(struct queue *q, const struct queue_cell *cell)
{
	json_t *task = queue_read(q, cell, false, NULL);
	int64_t lease = attempt_lease(queue_task_last_attempt(task));

	json_decref(task);
	return lease;
}

/* The file ${name} of the task of ${cell} was made when the clock of leases may have been another
 * one. */
static int
shorten_lease(struct queue *q, const char *name, const struct queue_cell *cell, struct err *e)
{
	int64_t now = queue_lease_clock(q), lease;
	struct stat st;
	int status = 0;

	int fd = openat(q->runningfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		status = err_sys(e, "cannot restore a claim");
	else if (clock_ms(st.st_mtim) > now &&
		 clock_ms(st.st_mtim) > now + (lease = lease_of(q, cell)))
		status = set_lease(fd, now + lease, e);
	file_close(fd);
	return status;
}

/* Have a file for task ${number} of ${cell}, which a worker had. */
static int
restore_claim(struct queue *q, uint64_t number, const struct queue_cell *cell, struct err *e)
{
	char name[QUEUE_FILE];

	int fd = openat(q->runningfd, queue_file_of(number, name),
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return shorten_lease(q, name, cell, e);
	if (fd < 0)
		return err_sys(e, "cannot restore a claim");
	int status = set_lease(fd, 0, e);
	file_close(fd);
	return status;
}

struct restoring {
	struct queue *queue;
	struct err *e;
};

static int
restore_block(void *arg, uint64_t number, const struct queue_block *b)
{
	const struct restoring *r = arg;
	unsigned held = queue_block_held(b);

	for (uint64_t n = number * QUEUE_CELLS + 1; held > 0 && n <= (number + 1) * QUEUE_CELLS;
	     n++) {
		const struct queue_cell *c = queue_index_cell(&r->queue->index, n, r->e);
		if (c == NULL)
			return -1;
		if (!queue_state_held((enum queue_state)c->state))
			continue;
		held--;
		struct queue_cell cell = *c;
		if (restore_claim(r->queue, n, &cell, r->e) < 0)
			return -1;
	}
	return 0;
}

int
queue_restore_claims(struct queue *q, struct err *e)
{
	struct restoring r = {q, e};

	return queue_index_blocks(&q->index, restore_block, &r, e);
}
