#include "assignment/due.h"

#include <fcntl.h>
#include <string.h>

#include "assignment/members.h"
#include "base/clock.h"
#include "state/due.h"
#include "config/home.h"

#define OPEN ASSIGNMENTS "/.open"

/* When ${id} is due as .open says; -1 if it is not there. */
static int64_t
read_due(int openfd, const char *id)
{
	struct stat st;

	if (fstatat(openfd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return clock_ms(st.st_mtim);
}

/* Set the modification time of file ${name} in ${dirfd} to ${when}, ms since 1970.  If that fails,
 * a sweep puts it right. */
static void
set_time(int dirfd, const char *name, int64_t when)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, clock_timespec(when)};

	(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

void
assignment_set_due(const char *id, int64_t when)
{
	struct err ignored;

	int fd = home_dir(OPEN, &ignored);
	if (fd < 0)
		return;
	int64_t previous = read_due(fd, id);
	set_time(fd, id, when);
	due_move(ASSIGNMENT_DUE, id, previous, when, fd, id);
}

int64_t
assignment_kept_until(const json_t *record)
{
	int64_t ended;

	if (clock_parse(assignment_completed_at(record), &ended, NULL) < 0)
		return -1;
	int64_t kept = assignment_retention(record);
	return kept > INT64_MAX - ended ? INT64_MAX : ended + kept;
}

int64_t
assignment_due(const char *id)
{
	int fd = home_dir(OPEN, NULL);

	return fd < 0 ? -1 : read_due(fd, id);
}

void
assignment_due_ended(const struct record *r, int64_t previous)
{
	int64_t until = assignment_kept_until(r->json);

	/* The lock is no longer an entry of .open, so its time is free for this. */
	set_time(r->dirfd, "lock", until);
	due_move(ASSIGNMENT_DUE, r->id, previous, until, r->dirfd, "lock");
}

int
assignment_overdue(const json_t *record, const struct assignment_policy *p, struct err *e)
{
	int64_t invited;

	if (strcmp(record_state(record), "pending") != 0 ||
	    clock_parse(record_invited_at(record), &invited, NULL) < 0 ||
	    clock_now() - invited < p->start_within * 1000)
		return 0;
	err_set(e, ERR_START_EXPIRED, "no START came within %lld s of the INVITE", p->start_within);
	return err_hint(e, "invite again");
}
