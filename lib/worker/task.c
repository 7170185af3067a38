#include "worker/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assignment/assignment.h"
#include "assignment/members.h"
#include "assignment/sweep.h"
#include "base/clock.h"
#include "worker/execution.h"
#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "process/output.h"
#include "queue/members.h"
#include "worker/outcome.h"
#include "wire/members.h"
#include "worker/workspace.h"

#define PAUSE_MS 5000 /* before a task is handed back for another try */

struct task {
	const struct task_options *options;
	struct queue *queue;
	const struct queue_claim *claim;
	struct record record;
	int64_t run;
	int64_t attempt; /* from 1 */
	int64_t deaths;  /* workers that it had when they died */
	int lockfd;      /* held while work/ is ours */
	int logfd;
	struct stat seen; /* the record's file when it was last read */
	struct execution execution;
	struct workspace workspace;
	struct output *output;
	char retired[ID_MAX + 1]; /* where in tmp/ the workspace went, or "" */
};

int
task_limits(struct task_options *o, struct err *e)
{
	long long bytes;

	if (setting_number(SETTING_MAX_OUTPUT, &bytes, e) < 0)
		return -1;
	o->max_output = (uint64_t)bytes;
	return setting_number(SETTING_MAX_ATTEMPTS, &o->max_attempts, e);
}

static void __attribute__((format(printf, 3, 4)))
report(const struct task *t, bool trouble, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (t->options->report != NULL)
		t->options->report(t->options->report_arg, trouble, t->record.id, text);
}

/* Something of ours failed: the task waits a little and is handed back. */
static enum task_end
later(struct task *t, const struct err *why)
{
	report(t, true, "%s: %s; it will be tried again", err_name(why->code), why->message);
	if (t->execution.signalfd < 0)
		(void)sleep(PAUSE_MS / 1000);
	else
		(void)execution_pause(&t->execution, PAUSE_MS);
	return TASK_LATER;
}

/* The task failed for ${why}; a code that the protocol does not know becomes ${otherwise}. */
static enum task_end
fail(struct task *t, const struct err *why, enum err_code otherwise)
{
	struct err told = *why, e;

	if (told.code > ERR_SSE_FAILED)
		told.code = otherwise;
	report(t, false, "%s: %s", err_name(told.code), told.message);
	if (assignment_fail(t->record.id, t->run, &told, &e) == 0 || e.code == ERR_BAD_STATE)
		return TASK_OVER;
	return later(t, &e);
}

/* What stopping means for the task. */
static enum task_end
stopped(struct task *t)
{
	struct err why;

	switch (t->execution.stop) {
	case EXECUTION_OVERTAKEN:
		report(t, false, "cancelled");
		return TASK_OVER;
	case EXECUTION_EXPIRED:
		assignment_expired(&why);
		return fail(t, &why, ERR_EXPIRED);
	case EXECUTION_EXCEEDED:
		err_hint(&t->execution.exceeded, "the executor's operator set this limit");
		return fail(t, &t->execution.exceeded, ERR_TASK_FAILED);
	default:
		report(t, false,
		       t->execution.orphaned ? "stopped: its worker died"
					     : "handed back: the worker stops");
		return t->execution.orphaned ? TASK_ORPHANED : TASK_RETURN;
	}
}

/* What was received could not be unpacked, or what there is not packed. */
static enum task_end
archive_failed(struct task *t, const struct err *why, enum err_code otherwise)
{
	if (t->execution.stop != EXECUTION_GOES_ON)
		return stopped(t);
	if (why->code != ERR_INTERNAL)
		return fail(t, why, otherwise);
	/* It was killed, or has no memory: as if this process had been. */
	report(t, true, "%s", why->message);
	(void)execution_pause(&t->execution, PAUSE_MS);
	return TASK_DIED;
}

/* From now on an archive is at hand, or not any more. */
static void
note_archive(const struct task *t, bool at_archive)
{
	if (t->options->at_archive != NULL)
		*t->options->at_archive = at_archive;
}

/* Make the workspace and the log; 0, or -1 when the task cannot begin. */
static int
set_up(struct task *t, struct err *e)
{
	if (workspace_plan(&t->workspace, &t->record, e) < 0)
		return -1;
	t->workspace.interrupt = execution_interrupt(&t->execution);
	note_archive(t, true);
	int status = workspace_unpack(&t->workspace, e);
	note_archive(t, false);
	if (status < 0)
		return -1;
	int logfd =
	    file_open_beneath(t->record.dirfd, "output.log", O_WRONLY | O_CREAT | O_TRUNC, 0600, e);
	if (logfd < 0)
		return -1;
	t->output = output_new(logfd, t->options->max_output, e);
	if (t->output == NULL)
		file_close(logfd);
	return t->output == NULL ? -1 : 0;
}

/* Fill ${why} from the wait status of a command that did not end well. */
static void
explain(const struct task *t, int status, struct err *why)
{
	const char *said = output_complaint(t->output);
	int signal = outcome_signal(&t->options->sandbox, status);

	const char *limit = signal == SIGXCPU   ? ", out of CPU time"
			    : signal == SIGXFSZ ? ", at a file that grew too large"
						: "";
	if (signal != 0)
		err_set(why, ERR_TASK_FAILED, "killed by signal %d%s", signal, limit);
	else
		err_set(why, ERR_TASK_FAILED, "exit %d", WEXITSTATUS(status));
	if (said[0] != '\0') {
		size_t n = strlen(why->message);
		(void)snprintf(why->message + n, sizeof why->message - n, ": %s", said);
		err_clean(why->message);
	}
}

static json_t *
make_result(const struct task *t)
{
	json_t *result = workspace_result(&t->workspace);

	if (result != NULL)
		return result;
	const char *summary = output_summary(t->output);
	result = json_object();
	if (result != NULL &&
	    event_set_summary(result, summary[0] == '\0' ? "done" : summary) < 0) {
		json_decref(result);
		return NULL;
	}
	return result;
}

/* Pack what the command left and say that it is done. */
static enum task_end
hand_in(struct task *t, int64_t began)
{
	struct pack_totals totals;
	json_t *result = NULL, *metadata;
	enum task_end end = TASK_OVER;
	char note[128];
	struct err e;

	note_archive(t, true);
	int status = workspace_collect(&t->workspace, &totals, &metadata, &e);
	note_archive(t, false);
	if (status < 0)
		return archive_failed(t, &e, ERR_TASK_FAILED);
	if (execution_pause(&t->execution, 0) == EXECUTION_EXPIRED) {
		json_decref(metadata);
		return stopped(t);
	}
	if (totals.left_out > 0) {
		(void)snprintf(note, sizeof note,
			       "%llu links that lead out of the workspace, or "
			       "nowhere, are not sent back",
			       (unsigned long long)totals.left_out);
		(void)assignment_progress(t->record.id, t->run, note, NULL); /* it is only a note */
	}
	result = make_result(t);
	/* Out of the way first: once it is complete, the delegator may have all of it removed. */
	if (result == NULL) {
		err_memory(&e);
		end = later(t, &e);
	} else if (workspace_retire(&t->workspace, t->retired, &e) < 0 ||
		   assignment_complete(t->record.id, t->run, result, metadata, &e) < 0) {
		end = e.code == ERR_BAD_STATE ? TASK_OVER : later(t, &e);
		if (e.code == ERR_BAD_STATE)
			report(t, false, "cancelled");
	} else {
		report(t, false, "done in %.1f s: %llu files, %llu bytes",
		       (double)(clock_steady() - began) / 1000.0, (unsigned long long)totals.files,
		       (unsigned long long)totals.bytes);
	}
	json_decref(metadata);
	json_decref(result);
	return end;
}

/* The task had a worker that died, and is not to be run again. */
static enum task_end
give_up(struct task *t)
{
	char times[32] = "";
	struct err why;

	if (t->deaths > 1)
		(void)snprintf(times, sizeof times, " %lld times", (long long)t->deaths);
	if (t->options->recovery == QUEUE_LOSE)
		err_set(&why, ERR_TASK_FAILED,
			"its worker died%s, and nobody can know what it had done by then", times);
	else
		err_set(&why, ERR_TASK_FAILED, "its worker died%s", times);
	err_hint(&why, "delegate it again if it did no harm there");
	return fail(t, &why, ERR_TASK_FAILED);
}

/* The command has ended with a failure, or with an end that says something of its profile. */
static enum task_end
not_done(struct task *t, enum verdict verdict, int status, const char *said)
{
	struct err e;

	if (verdict != VERDICT_LIMITED) {
		explain(t, status, &e);
		return fail(t, &e, ERR_TASK_FAILED);
	}
	report(t, false, "put off: %s", said);
	(void)assignment_progress(t->record.id, t->run,
				  "put off: the worker has had enough for now",
				  NULL); /* it is only a note */
	return TASK_LIMITED;
}

/* Run the command and see what became of it. */
static enum task_end
carry_out(struct task *t)
{
	const struct task_options *o = t->options;
	int64_t began = clock_steady();
	char said[VERDICT_REASON];
	struct err e;
	int status;

	if (execution_pause(&t->execution, 0) != EXECUTION_GOES_ON)
		return stopped(t);
	if (t->deaths > 0 && (o->recovery != QUEUE_RETURN || t->deaths >= o->max_attempts))
		return give_up(t);
	if (set_up(t, &e) < 0)
		return archive_failed(t, &e, ERR_SETUP_FAILED);
	if (execution_pause(&t->execution, 0) != EXECUTION_GOES_ON)
		return stopped(t);
	if (assignment_running(t->record.id, t->run, &e) < 0)
		return e.code == ERR_BAD_STATE ? TASK_OVER : later(t, &e);
	if (execution_run(&t->execution, &t->workspace, &o->sandbox, o->profile->argv, t->output,
			  &status, &e) < 0) {
		outcome_not_started(o, &e);
		return fail(t, &e, ERR_SETUP_FAILED);
	}
	if (t->execution.stop != EXECUTION_GOES_ON)
		return stopped(t);
	enum verdict verdict = outcome_classify(o, &t->execution, t->output, status, said);
	return verdict == VERDICT_DONE ? hand_in(t, began) : not_done(t, verdict, status, said);
}

/* Run ${run} of ${id} has ended: remove what only a run needs.  If a worker died between writing
 * the end and telling it, that is done now. */
static void
tidy(const char *id, int64_t run)
{
	struct record r;

	/* What fails here is left to whoever removes the assignment. */
	if (record_open("assignments", id, true, &r, NULL) == 0 && assignment_run(r.json) == run &&
	    assignment_ended(r.json)) {
		(void)assignment_finish_journal(&r, NULL);
		(void)unlinkat(r.dirfd, "workspace.archive", 0);
		(void)unlinkat(r.dirfd, "received.manifest", 0);
		(void)workspace_remove(r.dirfd, NULL);
	}
	record_close(&r);
}

/* Kill what may be left of an earlier run. */
static int
clear(const struct task *t, struct err *e)
{
	char directory[ID_MAX + 16];

	(void)snprintf(directory, sizeof directory, "assignments/%s", t->record.id);
	return t->attempt > 1 || t->run > 1 ? execution_clear(directory, e) : 0;
}

/* The same for a task that is not wanted any more; if the lock is held, a later run has done it. */
static void
clear_unwanted(struct task *t, const char *id)
{
	if (record_open("assignments", id, false, &t->record, NULL) < 0)
		return;
	int lockfd = file_lock(t->record.dirfd, "run.lock", false, NULL);
	struct err e;
	if (lockfd >= 0 && clear(t, &e) < 0)
		report(t, true, "%s", e.message);
	file_close(lockfd);
}

/* True if the record says that the task should go on.  It is only read when it was replaced. */
static bool
still_wanted(void *arg)
{
	struct task *t = arg;
	struct record r;
	struct stat st;
	struct err e;

	if (fstatat(t->record.dirfd, "record.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	if (st.st_ino == t->seen.st_ino && st.st_mtim.tv_sec == t->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == t->seen.st_mtim.tv_nsec)
		return true;
	bool wanted =
	    assignment_task(t->record.id, t->run, &r, &t->seen, &e) == 0 || e.code != ERR_BAD_STATE;
	record_close(&r);
	return wanted;
}

static void
tell_progress(void *arg, const char *text)
{
	const struct task *t = arg;

	(void)assignment_progress(t->record.id, t->run, text, NULL);
}

static void
tell_question(void *arg, const json_t *question)
{
	const struct task *t = arg;
	struct err e;

	/* A delegator that does not hear of it can still be told by the operator. */
	if (assignment_question(t->record.id, t->run, question, &e) < 0 && e.code != ERR_BAD_STATE)
		report(t, true, "%s", e.message);
}

static int
begin(struct task *t, struct err *e)
{
	const json_t *record = t->record.json;
	struct execution_purpose p = {
	    .id = t->record.id,
	    .prompt = invite_prompt(assignment_invite(record)),
	    .description = invite_description(assignment_invite(record)),
	    .wanted = still_wanted,
	    .progress = tell_progress,
	    .asks = {t->queue, queue_claim_id(t->claim), assignment_asked(record), tell_question,
		     t},
	    .arg = t,
	};

	if (clock_parse(assignment_lease_expires_at(record), &p.expires, e) < 0)
		return err_add(e, "lease");
	return execution_begin(&t->execution, &p, e);
}

/* Take work/ for ourselves; an overtaken run of the same id may still be on its way out. */
static enum task_end
run_locked(struct task *t)
{
	enum task_end end;
	struct err e;

	t->lockfd = file_lock(t->record.dirfd, "run.lock", true, &e);
	if (t->lockfd < 0 || begin(t, &e) < 0 || clear(t, &e) < 0) {
		end = later(t, &e);
	} else {
		report(t, false, "begun");
		end = carry_out(t);
		if (t->retired[0] != '\0') /* what fails is rubbish, for awcp-reap */
			(void)file_remove_tree(home_dir("tmp", NULL), t->retired, NULL);
		if (end == TASK_OVER)
			tidy(t->record.id, t->run);
	}
	execution_end(&t->execution);
	output_free(t->output);
	file_close(t->logfd);
	workspace_free(&t->workspace);
	file_close(t->lockfd);
	return end;
}

enum task_end
task_run(const struct task_options *o, struct queue *q, const struct queue_claim *claim)
{
	struct task t = {.options = o,
			 .queue = q,
			 .claim = claim,
			 .lockfd = -1,
			 .logfd = -1,
			 .execution = {.signalfd = -1}};
	const json_t *task = queue_claim_task(claim);
	const char *id = task_assignment(task);
	enum task_end end = TASK_OVER;
	struct err e;

	t.run = task_run_number(task);
	t.attempt = task_attempt(task);
	t.deaths = task_deaths(task);
	if (assignment_task(id, t.run, &t.record, &t.seen, &e) == 0) {
		end = run_locked(&t);
	} else if (e.code == ERR_BAD_STATE) {
		report(&t, false, "not wanted any more");
		record_close(&t.record);
		clear_unwanted(&t, id);
		tidy(id, t.run);
	} else if (e.code == ERR_BAD_DATA) {
		report(&t, true, "%s", e.message);
	} else {
		end = later(&t, &e);
	}
	record_close(&t.record);
	return end;
}
