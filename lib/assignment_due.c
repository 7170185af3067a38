#include "assignment_due.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "assignment_private.h"
#include "clock.h"
#include "file.h"
#include "home.h"
#include "jsonx.h"

#define ABANDONED_MS 60000 /* a place without a record is no INVITE on its way any more */
/* Behind the end of a lease: a worker has stopped its task by then (EXECUTION_GRACE_MS) and told
 * so, if it ever will. */
#define LATE_MS 15000

void
assignment_due(const char *id, int64_t when)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)(when / 1000)}};
	struct err ignored;

	times[1].tv_nsec = (long)(when % 1000) * 1000000;
	int fd = home_dir(ASSIGNMENTS "/.open", &ignored);
	if (fd >= 0)
		(void)utimensat(fd, id, times, AT_SYMLINK_NOFOLLOW); /* else a sweep does it */
}

void
assignment_expired(struct err *why)
{
	(void)err_set(why, ERR_EXPIRED, "the lease ended before the task did");
	(void)err_hint(why, "ask for a longer lease");
}

/* Is a worker at work on ${r}, or its START on its way? */
static bool
is_busy(const struct record *r)
{
	int fd = file_lock(r->dirfd, ASSIGNMENT_BUSY, false, NULL);

	file_close(fd);
	return fd < 0;
}

/* Has the unfinished ${r} come to its end, and for what reason?  Else notes when it is due. */
static bool
is_over(const struct record *r, const struct assignment_policy *p, struct err *why)
{
	int64_t when = 0, now = clock_now();

	if (strcmp(jsonx_text(r->json, "state", ""), "pending") == 0) {
		if (assignment_overdue(r->json, p, why) < 0)
			return !is_busy(r);
		if (clock_parse(jsonx_text(r->json, "invitedAt", ""), &when, NULL) == 0)
			assignment_due(r->id, when + p->start_within * 1000);
		return false;
	}
	if (clock_parse(jsonx_text(r->json, "lease.expiresAt", ""), &when, NULL) < 0)
		return false;
	if (now < when)
		assignment_due(r->id, when);
	assignment_expired(why);
	/* Its worker gives it time to end, and tells what became of it. */
	return now >= when && (now >= when + LATE_MS || !is_busy(r));
}

/* Look at ${id}, due since ${when}.  True if its place is free now. */
static bool
settle(int fd, const char *id, int64_t when, const struct assignment_policy *p)
{
	struct record r;
	struct err e, why;
	bool freed = false;
	int status = -1;

	int found = record_open(ASSIGNMENTS, id, true, &r, &e);
	if (found < 0 && e.code == ERR_NOT_FOUND)
		freed = when < clock_now() - ABANDONED_MS && unlinkat(fd, id, 0) == 0;
	else if (found == 0 && fsm_ended(&fsm_assignment, jsonx_text(r.json, "state", "")))
		freed = unlinkat(fd, id, 0) == 0;
	else if (found == 0 && is_over(&r, p, &why))
		freed = (status = assignment_finish(&r, FSM_TASK_FAIL, &why, &e)) == 0;
	assignment_close(&r, status);
	return freed;
}

int
assignment_sweep(const struct assignment_policy *p)
{
	const struct dirent *d;
	struct err ignored;
	struct stat st;
	int freed = 0;

	int fd = home_dir(ASSIGNMENTS "/.open", &ignored);
	int copy = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return 0;
	}
	int64_t now = clock_now();
	while ((d = readdir(dir)) != NULL) {
		if (!id_valid(d->d_name) || fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		int64_t when = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
		if (when <= now)
			freed += settle(fd, d->d_name, when, p);
	}
	(void)closedir(dir);
	return freed;
}
