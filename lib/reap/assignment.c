/*
 * Assignments: one whose START did not come, or whose lease is over, ends; one that has ended is
 * kept for its delegator as long as was agreed, without the files that only its worker needed.
 */
#include <fcntl.h>
#include <unistd.h>

#include "assignment/due.h"
#include "assignment/members.h"
#include "assignment/private.h"
#include "assignment/sweep.h"
#include "base/clock.h"
#include "base/file.h"
#include "reap/private.h"

#define FRESH_MS 86400000 /* by then the walk has seen it */
#define SOON_MS 15000     /* its worker, or its START, may be at work right now */

/* Files of an assignment that only a worker has use for. */
static const char *const working[] = {"work", "report", "result.archive.tmp"};

/* Remove what only a worker has use for. */
static int
clear_work(const struct record *a, struct err *e)
{
	int status = 0;

	int busyfd = file_lock(a->dirfd, ASSIGNMENT_BUSY, false, e);
	if (busyfd < 0)
		return -1;
	for (size_t i = 0; i < sizeof working / sizeof working[0]; i++)
		if ((status = reap_remove(a->dirfd, working[i], e)) < 0)
			break;
	file_close(busyfd);
	return status;
}

/* Is something of a worker left in the ended ${a}? */
static bool
has_work(const struct record *a)
{
	for (size_t i = 0; i < sizeof working / sizeof working[0]; i++)
		if (faccessat(a->dirfd, working[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* ${a} has not ended: is its time over?  Returns when to check again, 0 if that is not known. */
static int64_t
check_unfinished_assignment(struct reap *r, struct record *a, bool *ended)
{
	struct reap_action action;
	struct err why, e;
	int64_t when;

	if (!assignment_is_over(a, &r->policy, &when, &why))
		return when > r->now ? when : when > 0 ? r->now + SOON_MS : 0;
	reap_describe(&action, REAP_LEASES, a->id, "expire", "%s", why.message);
	if (!reap_may(r, &action))
		return -1;
	int status = assignment_finish(a, FSM_TASK_FAIL, &why, &e);
	reap_done(r, &action, status, &e);
	*ended = status == 0;
	return status == 0 ? assignment_kept_until(a->json) : r->now + REAP_RETRY_MS;
}

/* ${a} has ended: remove it, or what its worker left. */
static int64_t
check_ended_assignment(struct reap *r, struct record *a)
{
	struct reap_action action;
	char span[32];
	struct err e;

	int64_t until = assignment_kept_until(a->json);
	bool remove = until >= 0 && until <= r->now;
	/* Whoever ended it may have been killed before the journal said so. */
	if (!remove && !r->options->dry && assignment_finish_journal(a, &e) < 0)
		reap_warn(r, "%s: %s", a->id, e.message);
	if (!remove && !has_work(a))
		return until < 0 ? 0 : until;
	if (assignment_is_busy(a))
		return r->now + SOON_MS; /* its worker is still tidying up */
	if (remove)
		reap_describe(&action, REAP_RETENTION, a->id, "remove",
			      "it was kept for its delegator until %s ago",
			      reap_span(r->now - until, span));
	else
		reap_describe(&action, REAP_ORPHANS, a->id, "clear",
			      "its worker left files behind");
	if (remove ? !reap_may_remove(r, &action) : !reap_may(r, &action))
		return -1;
	/* Nobody begins to work on what has ended. */
	int status = remove ? reap_remove_record(a, &action, &e) : clear_work(a, &e);
	reap_done(r, &action, status, &e);
	return status < 0 ? r->now + REAP_RETRY_MS : remove ? 0 : until;
}

/* Did ${json} end so long ago that its journal was checked since? */
static bool
is_old(const struct reap *r, const json_t *json)
{
	int64_t ended;

	return clock_parse(assignment_completed_at(json), &ended, NULL) == 0 &&
	       ended < r->now - FRESH_MS;
}

/* For most records that the walk meets only the time has to be noted when they are due, which needs
 * no lock. */
static bool
is_quiet(const struct reap *r, const char *id)
{
	struct record a;
	struct err ignored;

	if (r->due != NULL || record_open(ASSIGNMENTS, id, false, &a, &ignored) < 0) {
		if (r->due == NULL)
			record_close(&a);
		return false;
	}
	int64_t until = assignment_kept_until(a.json);
	bool quiet =
	    until > r->now && is_old(r, a.json) && !has_work(&a) && assignment_ended(a.json);
	if (quiet && !r->options->dry)
		due_set(ASSIGNMENT_DUE, id, until);
	record_close(&a);
	return quiet;
}

void
reap_assignment(struct reap *r, const char *id)
{
	struct record a;
	bool ended = false;
	int64_t again = 0;
	struct err e;

	if (is_quiet(r, id))
		return;
	if (record_open(ASSIGNMENTS, id, !r->options->dry, &a, &e) < 0) {
		if (e.code == ERR_BAD_DATA)
			reap_warn(r, "%s; %s", e.message, e.hint);
	} else if (assignment_ended(a.json)) {
		again = check_ended_assignment(r, &a);
	} else {
		again = check_unfinished_assignment(r, &a, &ended);
	}
	if (again >= 0)
		reap_again(r, ASSIGNMENT_DUE, id, again);
	if (ended)
		assignment_close_changed(&a);
	else
		record_close(&a);
}
