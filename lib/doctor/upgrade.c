#include "doctor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "assignment/due.h"
#include "assignment/private.h"
#include "base/clock.h"
#include "delegation/delegation.h"
#include "state/due.h"
#include "base/file.h"
#include "config/home.h"
#include "config/layout.h"
#include "log/logfmt.h"

#define MINUTE_RECORDS 1000 /* due in one minute, so that no run of awcp-reap gets too many */

struct marking {
	const char *kind;
	int64_t now, count;
};

static int
mark_one(void *arg, const char *id)
{
	struct marking *m = arg;

	due_set(m->kind, id, m->now + m->count++ / MINUTE_RECORDS * 60000);
	return 0;
}

/* From 1 to 2: due/ gets an entry for every record, due soon: awcp-reap then finds out when the
 * record is due again. */
static int
mark_due(struct err *e)
{
	struct marking assignments = {.kind = ASSIGNMENT_DUE, .now = clock_now()};
	struct marking delegations = {.kind = DELEGATION_DUE, .now = assignments.now};

	if (record_list("assignments", true, mark_one, &assignments, e) < 0)
		return -1;
	return record_list(DELEGATIONS, true, mark_one, &delegations, e);
}

static const struct {
	const char *what;
	int (*run)(struct err *e);
} steps[LAYOUT] = {[1] = {"note in due/ that every record is to be looked at", mark_due}};

/* Is somebody, who writes by the older layout, working with ${id}? */
static int
refuse_busy(void *arg, const char *id)
{
	static const char *const locks[] = {ASSIGNMENT_BUSY, "follow.lock"};
	const char *collection = arg;
	char path[ID_MAX + 16];
	struct err e;

	int dirfd = home_dir(collection, &e);
	for (size_t i = 0; dirfd >= 0 && i < sizeof locks / sizeof locks[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", id, locks[i]);
		if (file_is_held(dirfd, path))
			return 1;
	}
	return 0;
}

static int
check_idle(struct err *e)
{
	static const char *const collections[] = {"assignments", DELEGATIONS};

	for (size_t i = 0; i < sizeof collections / sizeof collections[0]; i++) {
		int busy = record_list(collections[i], false, refuse_busy,
				       (void *)(uintptr_t)collections[i], e);
		if (busy == 0)
			continue;
		if (busy < 0)
			return -1;
		err_set(e, ERR_BUSY, "somebody is at work in %s", collections[i]);
		return err_hint(e, "stop awcp-serve, awcp-run and awcp-watch first");
	}
	return 0;
}

static int
run_steps(int fd, int layout, void (*each)(void *arg, int to, const char *what), void *arg,
	  struct err *e)
{
	char from[16], to[16];

	for (; layout < LAYOUT; layout++) {
		if (steps[layout].run(e) < 0)
			return err_add(e, "cannot %s", steps[layout].what);
		if (layout_write(fd, layout + 1, e) < 0)
			return -1;
		(void)snprintf(from, sizeof from, "%d", layout);
		(void)snprintf(to, sizeof to, "%d", layout + 1);
		logfmt_write("lifecycle", "upgraded", "from", from, "to", to, LOGFMT_END);
		each(arg, layout + 1, steps[layout].what);
	}
	return 0;
}

int
upgrade_run(void (*each)(void *arg, int to, const char *what), void *arg, struct err *e)
{
	int layout, count, status = -1;

	int fd = home_open_any(&layout, e);
	if (fd < 0 || (layout > LAYOUT && layout_check(layout, home_path(), e) < 0))
		return -1;
	/* One at a time; the directory is locked, so that no file is left. */
	int lockfd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lockfd < 0 || flock(lockfd, LOCK_EX | LOCK_NB) < 0) {
		if (lockfd >= 0 && errno == EWOULDBLOCK)
			err_set(e, ERR_BUSY, "somebody else is bringing %s up to date",
				home_path());
		else
			err_sys(e, "cannot lock %s", home_path());
		goto out;
	}
	if (layout_read(fd, &layout, e) < 0)
		goto out;
	count = LAYOUT - layout;
	if (count > 0 && check_idle(e) < 0)
		goto out;
	status = run_steps(fd, layout, each, arg, e) < 0 ? -1 : count;
out:
	file_close(lockfd);
	return status;
}
