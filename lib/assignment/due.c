#include "assignment/due.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "assignment/private.h"
#include "base/clock.h"
#include "state/due.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"

#define ABANDONED_MS 60000 /* a place without a record is no INVITE on its way any more */
/* Behind the end of a lease: a worker has stopped its task by then (EXECUTION_GRACE_MS) and told
 * so, if it ever will. */
#define LATE_MS 15000

/* When ${id} is due as .open says; -1 if it is not there. */
static int64_t
noted(int openfd, const char *id)
{
	struct stat st;

	if (fstatat(openfd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

/* File ${name} in ${dirfd} was modified at ${when}, ms since 1970; else a sweep finds out. */
static void
set_time(int dirfd, const char *name, int64_t when)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, clock_timespec(when)};

	(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

void
assignment_due(const char *id, int64_t when)
{
	struct err ignored;

	int fd = home_dir(ASSIGNMENTS "/.open", &ignored);
	if (fd < 0)
		return;
	int64_t before = noted(fd, id);
	set_time(fd, id, when);
	due_move(ASSIGNMENT_DUE, id, before, when, fd, id);
}

int64_t
assignment_kept_until(const json_t *record)
{
	int64_t ended;

	if (clock_parse(jsonx_text(record, "completedAt", ""), &ended, NULL) < 0)
		return -1;
	int64_t kept = jsonx_number(record, "retentionMs", 0);
	return kept > INT64_MAX - ended ? INT64_MAX : ended + kept;
}

int64_t
assignment_noted(const char *id)
{
	int fd = home_dir(ASSIGNMENTS "/.open", NULL);

	return fd < 0 ? -1 : noted(fd, id);
}

void
assignment_due_ended(const struct record *r, int64_t before)
{
	int64_t until = assignment_kept_until(r->json);

	/* .open has no use of the time of its lock any more. */
	set_time(r->dirfd, "lock", until);
	due_move(ASSIGNMENT_DUE, r->id, before, until, r->dirfd, "lock");
}

void
assignment_expired(struct err *why)
{
	err_set(why, ERR_EXPIRED, "the lease ended before the task did");
	err_hint(why, "ask for a longer lease");
}

bool
assignment_is_busy(const struct record *r)
{
	/* Where there is no lock nobody ever held it. */
	int fd = faccessat(r->dirfd, ASSIGNMENT_BUSY, F_OK, AT_SYMLINK_NOFOLLOW) < 0
		     ? INT_MAX
		     : file_lock(r->dirfd, ASSIGNMENT_BUSY, false, NULL);

	if (fd != INT_MAX)
		file_close(fd);
	return fd < 0;
}

int
assignment_overdue(const json_t *record, const struct assignment_policy *p, struct err *e)
{
	int64_t invited;

	if (strcmp(jsonx_text(record, "state", ""), "pending") != 0 ||
	    clock_parse(jsonx_text(record, "invitedAt", ""), &invited, NULL) < 0 ||
	    clock_now() - invited < p->start_within * 1000)
		return 0;
	err_set(e, ERR_START_EXPIRED, "no START came within %lld s of the INVITE", p->start_within);
	return err_hint(e, "invite again");
}

bool
assignment_is_over(const struct record *r, const struct assignment_policy *p, int64_t *when,
		   struct err *why)
{
	int64_t now = clock_now();

	*when = 0;
	if (strcmp(jsonx_text(r->json, "state", ""), "pending") == 0) {
		if (clock_parse(jsonx_text(r->json, "invitedAt", ""), when, NULL) == 0)
			*when += p->start_within * 1000;
		return assignment_overdue(r->json, p, why) < 0 && !assignment_is_busy(r);
	}
	if (clock_parse(jsonx_text(r->json, "lease.expiresAt", ""), when, NULL) < 0)
		return false;
	assignment_expired(why);
	/* Its worker gives it time to end, and tells what became of it. */
	return now >= *when && (now >= *when + LATE_MS || !assignment_is_busy(r));
}

/* Look at ${id}, due since ${when}.  True if its place is free now. */
static bool
settle(int fd, const char *id, int64_t when, const struct assignment_policy *p)
{
	struct record r;
	struct err e, why;
	bool freed = false, over = false;
	int64_t next = 0;
	int status = -1;

	int found = record_open(ASSIGNMENTS, id, true, &r, &e);
	if (found < 0 && e.code == ERR_NOT_FOUND) {
		freed = when < clock_now() - ABANDONED_MS && unlinkat(fd, id, 0) == 0;
		if (freed)
			assignment_never_was(&r, &e);
	} else if (found == 0 && fsm_ended(&fsm_assignment, jsonx_text(r.json, "state", "")))
		freed = unlinkat(fd, id, 0) == 0;
	else if (found == 0 && (over = assignment_is_over(&r, p, &next, &why)))
		freed = (status = assignment_finish(&r, FSM_TASK_FAIL, &why, &e)) == 0;
	if (found == 0 && !over && !freed && next > clock_now())
		assignment_due(id, next);
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
