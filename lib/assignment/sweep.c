#include "assignment/sweep.h"

#include <string.h>
#include <unistd.h>

#include "assignment/due.h"
#include "assignment/members.h"
#include "assignment/private.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "config/home.h"

#define ABANDONED_MS 60000 /* a slot without a record is no longer an INVITE on its way */
/* After the end of a lease: by then a worker has stopped its task (EXECUTION_GRACE_MS) and reported
 * that, if it ever will. */
#define LATE_MS 15000

void
assignment_expired(struct err *why)
{
	err_set(why, ERR_EXPIRED, "the lease ended before the task did");
	err_hint(why, "ask for a longer lease");
}

bool
assignment_is_busy(const struct record *r)
{
	return file_is_held(r->dirfd, ASSIGNMENT_BUSY);
}

bool
assignment_is_over(const struct record *r, const struct assignment_policy *p, int64_t *when,
		   struct err *why)
{
	int64_t now = clock_now();

	*when = 0;
	if (strcmp(record_state(r->json), "pending") == 0) {
		if (clock_parse(record_invited_at(r->json), when, NULL) == 0)
			*when += p->start_within * 1000;
		return assignment_overdue(r->json, p, why) < 0 && !assignment_is_busy(r);
	}
	if (clock_parse(assignment_lease_expires_at(r->json), when, NULL) < 0)
		return false;
	assignment_expired(why);
	/* Its worker gives it time to end, and reports what became of it. */
	return now >= *when && (now >= *when + LATE_MS || !assignment_is_busy(r));
}

/* ${id}, due since ${when}, has no record: give its slot back if nobody is about to write one. */
static bool
sweep_abandoned(int openfd, const char *id, int64_t when, struct record *r, const struct err *why)
{
	if (why->code != ERR_NOT_FOUND || when >= clock_now() - ABANDONED_MS ||
	    unlinkat(openfd, id, 0) < 0)
		return false;
	assignment_discard_empty(r, why);
	return true;
}

/* Look at ${id}, due since ${when}.  True if its slot is free now. */
static bool
sweep_one(int openfd, const char *id, int64_t when, const struct assignment_policy *p)
{
	struct record r;
	struct err e, why;
	bool freed = false;
	int64_t next = 0;

	if (record_open(ASSIGNMENTS, id, true, &r, &e) < 0) {
		freed = sweep_abandoned(openfd, id, when, &r, &e);
	} else if (assignment_ended(r.json)) {
		freed = unlinkat(openfd, id, 0) == 0;
	} else if (assignment_is_over(&r, p, &next, &why)) {
		if (assignment_finish(&r, FSM_TASK_FAIL, &why, &e) == 0) {
			assignment_close_changed(&r);
			return true;
		}
	} else if (next > clock_now()) {
		assignment_set_due(id, next);
	}
	record_close(&r);
	return freed;
}

int
assignment_sweep(const struct assignment_policy *p)
{
	int freed = 0;

	DIR *dir = home_list(ASSIGNMENTS "/.open");
	if (dir == NULL)
		return 0; /* the next sweep tries again */
	int64_t now = clock_now();
	for (const char *id; (id = file_next(&dir)) != NULL;) {
		int64_t when = id_valid(id) ? assignment_due(id) : -1;
		if (when >= 0 && when <= now)
			freed += sweep_one(dirfd(dir), id, when, p);
	}
	return freed;
}
