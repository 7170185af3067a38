#include "assignment/slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assignment/due.h"
#include "assignment/private.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"

#define MINUTE_MS 60000
#define COME_BACK_S 10      /* when places are short: a task may end at any time */
#define SWEEP_PAUSE_MS 1000 /* between looks for places that nobody will use any more */

/* What this process knows of .open; the mutex also keeps its threads from queueing for the file's
 * lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	bool known;
	long long count; /* entries when they were counted */
	uint64_t taken;  /* what .admission said then */
	int64_t swept;   /* clock_steady of the last sweep */
} seen;

/* Call ${each} for every id in directory ${fd}; it may stop with non-zero. */
static int
each_id(int fd, int (*each)(void *arg, int fd, const char *id), void *arg, struct err *e)
{
	const struct dirent *d;
	int status = 0;

	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		err_sys(e, "cannot count the assignments in hand");
		file_close(copy);
		return -1;
	}
	while (status == 0 && (d = readdir(dir)) != NULL)
		if (id_valid(d->d_name))
			status = each(arg, fd, d->d_name);
	(void)closedir(dir);
	return status;
}

static int
count_one(void *arg, int fd, const char *id)
{
	long long *count = arg;

	(void)fd;
	(void)id;
	(*count)++;
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

/* Is there room for all?  The locks are held; ${taken} is what .admission says. */
static int
has_room(int openfd, uint64_t taken, long long max, struct err *e)
{
	if (seen.known && taken >= seen.taken && seen.count + (long long)(taken - seen.taken) < max)
		return 1;
	seen.count = 0;
	if (each_id(openfd, count_one, &seen.count, e) < 0)
		return -1;
	seen.taken = taken;
	seen.known = true;
	return seen.count < max;
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

struct owned {
	int openfd;
	long long count;
};

static int
count_owned(void *arg, int fd, const char *id)
{
	struct owned *o = arg;

	if (faccessat(o->openfd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		o->count++;
	else
		(void)unlinkat(fd, id, 0); /* it has ended */
	return 0;
}

/* Is there room for ${owner}, and if so and not ${look}, note ${id} as theirs. */
static int
has_own_room(int openfd, const char *id, const char *owner, long long max, bool look, struct err *e)
{
	struct owned o = {.openfd = openfd};

	if (max <= 0)
		return 1;
	int fd = owner_dir(owner, e);
	int status = fd < 0 ? -1 : each_id(fd, count_owned, &o, e);
	if (status == 0)
		status = o.count < max;
	if (status > 0 && !look) {
		int made = openat(fd, id, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (made < 0)
			status = err_sys(e, "cannot note whose %s is", id);
		file_close(made);
	}
	file_close(fd);
	return status;
}

static int
refuse(const char *what, long long max, struct err *e)
{
	err_set(e, ERR_DECLINED, "%lld %s, which is all that is taken at once", max, what);
	err_hint(e, "try again later");
	return err_retry(e, COME_BACK_S);
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
	return fd < 0 ? err_sys(e, "cannot take a place for %s", id) : fd;
}

/* With the locks held: 1 if a place is taken, 0 if ${id} has one; -1. */
static int
take(int lockfd, int parent, int openfd, const char *id, const char *owner,
     const struct token_limits *l, const struct assignment_policy *p, bool look, struct err *e)
{
	uint64_t taken = read_number(lockfd);

	if (!look && faccessat(openfd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	int room = has_room(openfd, taken, p->max_active, e);
	if (room == 0)
		(void)refuse("delegations are in hand", p->max_active, e);
	if (room <= 0)
		return -1;
	room = has_own_room(openfd, id, owner, l->active, look, e);
	if (room == 0)
		(void)refuse("delegations of this token are in hand", l->active, e);
	if (room <= 0 || look)
		return room <= 0 ? -1 : 1;
	/* Counted before it is there: too high is put right by the next count. */
	if (write_number(lockfd, taken + 1, e) < 0)
		return -1;
	int fd = make_entry(parent, openfd, id, e);
	if (fd < 0)
		return -1;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					  clock_timespec(clock_now() + p->start_within * 1000)};
	(void)futimens(fd, times); /* else it is looked at too early */
	file_close(fd);
	return 1;
}

/* Look for places to give up, not too often.  True if there were some. */
static bool
sweep(const struct assignment_policy *p)
{
	(void)pthread_mutex_lock(&lock);
	bool due = seen.swept == 0 || clock_steady() - seen.swept >= SWEEP_PAUSE_MS;
	if (due)
		seen.swept = clock_steady();
	(void)pthread_mutex_unlock(&lock);
	return due && assignment_sweep(p) > 0;
}

int
assignment_room_take(const char *id, const char *owner, const struct token_limits *l,
		     const struct assignment_policy *p, bool look, struct err *e)
{
	int status;

	int parent = home_dir(ASSIGNMENTS, e);
	int openfd = parent < 0 ? -1 : home_dir(ASSIGNMENTS "/.open", e);
	if (openfd < 0)
		return -1;
	do {
		(void)pthread_mutex_lock(&lock);
		int lockfd = file_lock(parent, ".admission", true, e);
		status = lockfd < 0 ? -1 : take(lockfd, parent, openfd, id, owner, l, p, look, e);
		file_close(lockfd);
		(void)pthread_mutex_unlock(&lock);
	} while (status < 0 && e->code == ERR_DECLINED && sweep(p));
	return status;
}

void
assignment_never_was(struct record *r, const struct err *why)
{
	if (why->code == ERR_NOT_FOUND && r->lockfd >= 0)
		(void)record_remove(r, NULL); /* else awcp-reap does */
}

void
assignment_room_leave(const char *id)
{
	struct err ignored;
	struct record r;

	int fd = home_dir(ASSIGNMENTS "/.open", &ignored);
	/* Not if somebody else's INVITE for the same id made it come to be after all. */
	if (fd >= 0 && record_open(ASSIGNMENTS, id, true, &r, &ignored) < 0) {
		(void)unlinkat(fd, id, 0); /* else a later sweep finds it */
		assignment_never_was(&r, &ignored);
	}
	if (fd >= 0)
		record_close(&r);
}

int
assignment_room_rate(const char *owner, long long rate, struct err *e)
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
	int status = 0;
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
