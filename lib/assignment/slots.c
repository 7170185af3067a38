/*
 * Admission control: how many assignments are unfinished, of all and of one owner, and how many
 * INVITEs an owner sends a minute.
 *
 *	assignments/.open/<id>             an unfinished assignment: a slot that is taken
 *	assignments/.owners/<owner>/<id>   the same, of an owner with a limit; entries that are no
 *	                                   longer in .open are removed when slots get short
 *	assignments/.owners/<owner>/.rate  when the owner's next INVITE would be on time
 *	assignments/.admission             how many slots were ever taken, and the lock for that
 *
 * The lock is held only to count, and to create a directory and an empty file; never while
 * something is made durable.  Counting does not read .open each time: since the last count there
 * cannot be more than that and what any process has taken since.  Only when this reaches the limit
 * are the entries counted again.  So the limit is never exceeded, and nobody is turned away while
 * there is a free slot.
 */
#include "assignment/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assignment/members.h"
#include "assignment/sweep.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"

#define MINUTE_MS 60000
#define RETRY_S 10          /* when slots are short: a task may end at any time */
#define SHARE_PAUSE_MS 1000 /* before a tenant that had too many is counted again */
#define SWEEP_PAUSE_MS 1000 /* between sweeps for slots that nobody will use any more */

/* What this process knows of .open; the mutex also keeps its threads from queueing for the file's
 * lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	bool counted;
	long long count; /* entries when they were counted */
	uint64_t taken;  /* what .admission said then */
	int64_t swept;   /* clock_steady of the last sweep */
} known;

/* Count the ids in directory ${fd}: all, or with ${openfd} only those that are also there.  The
 * others have ended, and are removed. */
static int
count_ids(int fd, int openfd, long long *count, struct err *e)
{
	DIR *dir = file_list(fd, ".");

	if (dir == NULL)
		return err_sys(e, "cannot count the unfinished assignments");
	*count = 0;
	for (const char *id; (id = file_next(&dir)) != NULL;) {
		if (!id_valid(id))
			continue;
		if (openfd < 0 || faccessat(openfd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			(*count)++;
		else
			(void)unlinkat(fd, id, 0);
	}
	return 0;
}

static uint64_t
read_number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoumax(text, NULL, 10);
}

/* Of a fixed width, so that a shorter number leaves nothing of a longer one.  Not durable: after a
 * power cut every process counts anew. */
static int
write_number(int fd, uint64_t number, struct err *e)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%020" PRIu64 "\n", number);

	return pwrite(fd, text, (size_t)n, 0) == n ? 0 : err_sys(e, "cannot count an assignment");
}

/* Is there a slot for all?  The locks are held; ${taken} is what .admission says. */
static int
has_slot(int openfd, uint64_t taken, long long max, struct err *e)
{
	if (known.counted && taken >= known.taken &&
	    known.count + (long long)(taken - known.taken) < max)
		return 1;
	if (count_ids(openfd, -1, &known.count, e) < 0)
		return -1;
	known.taken = taken;
	known.counted = true;
	return known.count < max;
}

/* The directory of ${owner}; to be closed. */
static int
owner_dir(const char *owner, struct err *e)
{
	int parent = home_dir(ASSIGNMENTS "/.owners", e);

	if (parent < 0)
		return -1;
	if (mkdirat(parent, owner, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create " ASSIGNMENTS "/.owners/%s", owner);
	return file_open_dir(parent, owner, e);
}

static int
decline_for_now(const char *what, long long max, struct err *e)
{
	err_set(e, ERR_DECLINED, "%lld %s, which is the limit", max, what);
	err_hint(e, "try again later");
	return err_retry(e, RETRY_S);
}

/* Is there a slot for the owner ${s} names?  ERR_DECLINED if not.  If there is and ${note}, write
 * down that it is theirs. */
static int
check_owner(const struct assignment_slot *s, int openfd, bool note, struct err *e)
{
	long long max = s->token->limits.active, count = 0;

	if (max <= 0)
		return 0;
	int fd = owner_dir(s->token->name, e);
	if (fd < 0)
		return -1;
	int status = count_ids(fd, openfd, &count, e);
	if (status < 0)
		goto out;
	if (count >= max) {
		status = decline_for_now("delegations of this token are unfinished", max, e);
		goto out;
	}
	if (note) {
		int entry = openat(fd, s->id, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (entry < 0)
			status = err_sys(e, "cannot note whose %s is", s->id);
		file_close(entry);
	}
out:
	file_close(fd);
	return status;
}

/* How many of the ids in ${openfd} are of ${tenant}? */
static int
count_owned(int openfd, const char *tenant, long long *count, struct err *e)
{
	struct record r;
	struct err ignored;

	*count = 0;
	DIR *dir = file_list(openfd, ".");
	if (dir == NULL)
		return err_sys(e, "cannot count the unfinished assignments");
	for (const char *id; (id = file_next(&dir)) != NULL;) {
		if (!id_valid(id))
			continue;
		if (record_open(ASSIGNMENTS, id, false, &r, &ignored) == 0)
			*count += strcmp(assignment_owner(r.json), tenant) == 0;
		record_close(&r);
	}
	return 0;
}

/* When slots get short, no tenant takes the last quarter of them that has three quarters already:
 * ERR_DECLINED.  This reads all records, but not again for whoever was just refused. */
static int
check_share(const struct assignment_slot *s, int openfd, long long taken, struct err *e)
{
	static struct {
		char tenant[TOKEN_NAME + 1];
		int64_t at; /* clock_steady */
	} refused;          /* under the locks */
	const char *tenant = s->token->tenant;
	long long max = s->policy->max_active, share = max - max / 4, count = share;
	int64_t now = clock_steady();

	if (taken < share || s->token->limits.active > 0 || tenant[0] == '\0')
		return 0;
	bool again = strcmp(refused.tenant, tenant) == 0 && now - refused.at < SHARE_PAUSE_MS;
	if (!again && count_owned(openfd, tenant, &count, e) < 0)
		return -1;
	if (count < share)
		return 0;
	if (!again)
		refused.at = now;
	strcpy(refused.tenant, tenant);
	return decline_for_now("delegations of one tenant are unfinished", share, e);
}

/* Make the entry for ${id}, open: another name of its lock (record.h), in the directory that the
 * record will have.  A file system has a file lie where its directory does, and where all of them
 * are made is crowded with those that were removed.  -1 on failure. */
static int
make_entry(int parent, int openfd, const char *id, struct err *e)
{
	int fd = -1;

	if (mkdirat(parent, id, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create " ASSIGNMENTS "/%s", id);
	int dirfd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dirfd >= 0)
		fd = openat(dirfd, "lock", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && linkat(dirfd, "lock", openfd, id, 0) < 0) { /* there are no links here */
		file_close(fd);
		fd = openat(openfd, id, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	file_close(dirfd);
	return fd < 0 ? err_sys(e, "cannot take a slot for %s", id) : fd;
}

/* The directories of .open and of its slots, locked for counting. */
struct admission {
	int parent, openfd, lockfd;
	uint64_t taken; /* as .admission has it */
};

/* Is there a slot for ${s}?  ERR_DECLINED if not.  If there is and ${note}, the owner's entry is
 * made. */
static int
check_limits(const struct assignment_slot *s, const struct admission *a, bool note, struct err *e)
{
	long long max = s->policy->max_active;

	int free = has_slot(a->openfd, a->taken, max, e);
	if (free < 0)
		return -1;
	if (free == 0)
		return decline_for_now("delegations are unfinished", max, e);
	long long taken = known.count + (long long)(a->taken - known.taken);
	if (check_share(s, a->openfd, taken, e) < 0)
		return -1;
	return check_owner(s, a->openfd, note, e);
}

/* 1 if a slot is taken now, 0 if ${s}->id has one; -1. */
static int
acquire_locked(const struct assignment_slot *s, const struct admission *a, struct err *e)
{
	if (faccessat(a->openfd, s->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (check_limits(s, a, true, e) < 0)
		return -1;
	/* Counted before it is there: too high is put right by the next count. */
	if (write_number(a->lockfd, a->taken + 1, e) < 0)
		return -1;
	int fd = make_entry(a->parent, a->openfd, s->id, e);
	if (fd < 0)
		return -1;
	const struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT}, clock_timespec(clock_now() + s->policy->start_within * 1000)};
	(void)futimens(fd, times); /* else it is examined too early */
	file_close(fd);
	return 1;
}

/* End what is due, not too often.  True if that made slots free. */
static bool
free_slots(const struct assignment_policy *p)
{
	(void)pthread_mutex_lock(&lock);
	bool due = known.swept == 0 || clock_steady() - known.swept >= SWEEP_PAUSE_MS;
	if (due)
		known.swept = clock_steady();
	(void)pthread_mutex_unlock(&lock);
	return due && assignment_sweep(p) > 0;
}

int
assignment_slot_take(const struct assignment_slot *s, bool acquire, struct err *e)
{
	struct admission a;
	int status;

	if ((a.parent = home_dir(ASSIGNMENTS, e)) < 0 ||
	    (a.openfd = home_dir(ASSIGNMENTS "/.open", e)) < 0)
		return -1;
	do {
		(void)pthread_mutex_lock(&lock);
		a.lockfd = file_lock(a.parent, ".admission", true, e);
		a.taken = a.lockfd < 0 ? 0 : read_number(a.lockfd);
		status = a.lockfd < 0 ? -1
			 : acquire    ? acquire_locked(s, &a, e)
				      : check_limits(s, &a, false, e);
		file_close(a.lockfd);
		(void)pthread_mutex_unlock(&lock);
	} while (status < 0 && e->code == ERR_DECLINED && free_slots(s->policy));
	return status;
}

void
assignment_slot_release(const char *id)
{
	struct err ignored;
	struct record r;

	int fd = home_dir(ASSIGNMENTS "/.open", &ignored);
	if (fd < 0)
		return;
	/* Not if somebody else's INVITE for the same id was recorded after all. */
	if (record_open(ASSIGNMENTS, id, true, &r, &ignored) < 0) {
		(void)unlinkat(fd, id, 0); /* else a later sweep finds it */
		assignment_discard_empty(&r, &ignored);
	}
	record_close(&r);
}

int
assignment_rate_take(const char *owner, long long rate, struct err *e)
{
	int64_t now = clock_now();

	if (rate <= 0)
		return 0;
	int dirfd = owner_dir(owner, e);
	int fd = dirfd < 0 ? -1 : file_lock(dirfd, ".rate", true, e);
	file_close(dirfd);
	if (fd < 0)
		return -1;
	/* Each INVITE uses up a share of a minute; what is used up may lie up to a minute ahead. In
	 * microseconds, for rates that no millisecond divides. */
	int64_t share = INT64_C(60000000) / rate, used = (int64_t)read_number(fd);
	int64_t ahead = used - now * 1000;
	if (ahead < 0 || ahead > INT64_C(2) * MINUTE_MS * 1000) /* or the clock was set back */
		ahead = 0;
	int64_t wait = ahead + share - INT64_C(1000) * MINUTE_MS;
	int status;
	if (wait > 0) {
		err_set(e, ERR_DECLINED, "this token may send %lld invitations a minute", rate);
		err_hint(e, "try again later");
		status = err_retry(e, (unsigned)(wait / 1000000) + 1);
	} else {
		status = write_number(fd, (uint64_t)(now * 1000 + ahead + share), e);
	}
	file_close(fd);
	return status;
}
