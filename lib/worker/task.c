#include "worker/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assignment/members.h"
#include "assignment/private.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "queue/members.h"
#include "state/space.h"
#include "wire/members.h"
#include "worker/attempt.h"

/* Run ${run} of ${id} has ended: remove what only a run needs.  If a worker died between writing
 * the end and reporting it, that is done now. */
static void
clean_up(const char *id, int64_t run)
{
	struct record r;

	/* What fails here is left to whoever removes the assignment. */
	if (record_open(ASSIGNMENTS, id, true, &r, NULL) == 0 && assignment_run(r.json) == run &&
	    assignment_ended(r.json)) {
		(void)unlinkat(r.dirfd, "workspace.archive", 0);
		workspace_remove(r.dirfd, NULL);
		assignment_finish_journal(&r, NULL); /* last: now there is space for it */
	}
	record_close(&r);
}

/* Kill what may be left of an earlier run. */
static int
kill_earlier(const struct attempt *a, struct err *e)
{
	char directory[ID_MAX + 16];

	if (a->number <= 1 && a->run <= 1)
		return 0;
	(void)snprintf(directory, sizeof directory, ASSIGNMENTS "/%s", a->record.id);
	return execution_clear(directory, e);
}

/* The same for a task that is no longer wanted; if the lock is held, a later run has done it. */
static void
kill_unwanted(struct attempt *a, const char *id)
{
	struct err e;

	if (record_open(ASSIGNMENTS, id, false, &a->record, NULL) < 0)
		return;
	int lockfd = file_lock(a->record.dirfd, ASSIGNMENT_BUSY, false, NULL);
	if (lockfd >= 0 && kill_earlier(a, &e) < 0)
		task_report(a->options, true, a->record.id, "%s", e.message);
	file_close(lockfd);
}

/* True while the record says that the task is active.  It is only read when it was replaced. */
static bool
still_active(void *arg)
{
	struct attempt *a = arg;
	struct record r;
	struct stat st;
	struct err e;

	if (fstatat(a->record.dirfd, "record.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	if (st.st_ino == a->seen.st_ino && st.st_mtim.tv_sec == a->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == a->seen.st_mtim.tv_nsec)
		return true;
	bool active =
	    assignment_task(a->record.id, a->run, &r, &a->seen, &e) == 0 || e.code != ERR_BAD_STATE;
	record_close(&r);
	return active;
}

static void
report_progress(void *arg, const char *text)
{
	const struct attempt *a = arg;

	/* A line that is lost does no harm; being overtaken shows in still_active. */
	assignment_progress(a->record.id, a->run, text, NULL);
}

static void
report_question(void *arg, const json_t *question)
{
	const struct attempt *a = arg;
	struct err e;

	/* The operator can answer what the delegator does not learn of. */
	if (assignment_question(a->record.id, a->run, question, &e) < 0 && e.code != ERR_BAD_STATE)
		task_report(a->options, true, a->record.id, "%s", e.message);
}

static int
begin_execution(struct attempt *a, struct queue *q, const struct queue_claim *claim, struct err *e)
{
	const json_t *record = a->record.json, *invite = assignment_invite(record);
	struct execution_purpose p = {
	    .id = a->record.id,
	    .prompt = invite_prompt(invite),
	    .description = invite_description(invite),
	    .wanted = still_active,
	    .progress = report_progress,
	    .asker = {q,
		      queue_claim_id(claim),
		      {assignment_asked(record), assignment_max_questions(record)},
		      report_question,
		      a},
	    .arg = a,
	};

	if (clock_parse(assignment_lease_expires_at(record), &p.expires, e) < 0)
		return err_add(e, "lease");
	return execution_begin(&a->execution, &p, e);
}

/* Take work/ for ourselves; an overtaken run of the same id may still be on its way out. */
static enum task_end
run_locked(struct attempt *a, struct queue *q, const struct queue_claim *claim)
{
	enum task_end end;
	struct err e;

	int lockfd = file_lock(a->record.dirfd, ASSIGNMENT_BUSY, true, &e);
	if (lockfd < 0 || begin_execution(a, q, claim, &e) < 0 || kill_earlier(a, &e) < 0) {
		end = attempt_postpone(a, &e);
	} else {
		task_report(a->options, false, a->record.id, "begun");
		end = attempt_run(a);
		if (a->retired[0] != '\0') /* what fails is rubbish, for awcp-reap */
			file_remove_tree(home_dir("tmp", NULL), a->retired, NULL);
		if (end == TASK_OVER)
			clean_up(a->record.id, a->run);
	}
	execution_end(&a->execution);
	output_free(a->output);
	workspace_free(&a->workspace);
	file_close(lockfd);
	return end;
}

enum task_end
task_run(const struct task_options *o, struct queue *q, const struct queue_claim *claim)
{
	const json_t *task = queue_claim_task(claim);
	struct attempt a = {.options = o,
			    .run = task_run_number(task),
			    .number = task_attempt(task),
			    .deaths = task_deaths(task),
			    .execution = {.signalfd = -1}};
	const char *id = task_assignment(task);
	enum task_end end = TASK_OVER;
	struct err e;

	if (assignment_task(id, a.run, &a.record, &a.seen, &e) == 0) {
		end = run_locked(&a, q, claim);
	} else if (e.code == ERR_BAD_STATE) {
		task_report(o, false, a.record.id, "no longer wanted");
		record_close(&a.record);
		kill_unwanted(&a, id);
		clean_up(id, a.run);
	} else if (e.code == ERR_BAD_DATA) {
		task_report(o, true, a.record.id, "%s", e.message);
	} else {
		end = attempt_postpone(&a, &e);
	}
	record_close(&a.record);
	return end;
}

int
task_finish(struct queue *q, const struct queue_claim *claim, enum task_end end, int64_t pause,
	    struct err *e)
{
	struct queue_outcome o = {.event = QUEUE_RETURN, .exit = -1, .pause = pause};
	int status;

	if (end == TASK_OVER) {
		o.event = QUEUE_COMPLETE;
		o.forgettable = true; /* the assignment has the outcome */
	}
	if (end == TASK_LIMITED) {
		o.event = QUEUE_LIMIT;
		o.message = "its profile is rate-limited";
	}
	do
		status = queue_finish(q, queue_claim_id(claim), &o, e);
	while (status < 0 && space_release(e));
	return status;
}
