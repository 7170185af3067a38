#include "worker/attempt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assignment/members.h"
#include "assignment/sweep.h"
#include "base/clock.h"
#include "base/text.h"
#include "process/account.h"
#include "wire/members.h"
#include "worker/outcome.h"

#define PAUSE_MS 5000 /* before a task is handed back for another try */

enum task_end
attempt_postpone(struct attempt *a, const struct err *why)
{
	task_report(a->options, true, a->record.id, "%s: %s; it will be tried again",
		    err_name(why->code), why->message);
	if (a->execution.signalfd < 0)
		(void)sleep(PAUSE_MS / 1000);
	else
		execution_rest(&a->execution, PAUSE_MS);
	return TASK_LATER;
}

/* The task failed because of ${why}; a code that the protocol does not know becomes ${fallback}. */
static enum task_end
fail_attempt(struct attempt *a, const struct err *why, enum err_code fallback)
{
	struct err reported = *why, e;

	if (why->code == ERR_NO_SPACE) {
		/* The next one is not to find the disk as this one leaves it. */
		workspace_remove(a->record.dirfd, NULL);
		err_hint(&reported, "the executor's disk is full; try again later, or lend less");
	}
	if (reported.code > ERR_SSE_FAILED)
		reported.code = fallback;
	task_report(a->options, false, a->record.id, "%s: %s", err_name(reported.code),
		    reported.message);
	int status = assignment_fail(a->record.id, a->run, &reported, &e);
	if (status < 0 && e.code == ERR_NO_SPACE) {
		/* There is some without its workspace.  Else it would be run again. */
		workspace_remove(a->record.dirfd, NULL);
		status = assignment_fail(a->record.id, a->run, &reported, &e);
	}
	return status == 0 || e.code == ERR_BAD_STATE ? TASK_OVER : attempt_postpone(a, &e);
}

/* What stopping means for the task. */
static enum task_end
stop_attempt(struct attempt *a)
{
	struct err why;

	switch (a->execution.stop) {
	case EXECUTION_OVERTAKEN:
		task_report(a->options, false, a->record.id, "cancelled");
		return TASK_OVER;
	case EXECUTION_EXPIRED:
		assignment_expired(&why);
		if (a->waits) {
			err_set(&why, ERR_EXPIRED,
				"the work was done, but until the lease ended "
				"there was no space for its result");
			err_hint(&why, "have room made on the executor's disk");
		}
		return fail_attempt(a, &why, ERR_EXPIRED);
	case EXECUTION_EXCEEDED:
		err_hint(&a->execution.exceeded, "the executor's operator set this limit");
		return fail_attempt(a, &a->execution.exceeded, ERR_TASK_FAILED);
	default:
		task_report(a->options, false, a->record.id,
			    a->execution.orphaned ? "stopped: its worker died"
						  : "handed back: the worker stops");
		return a->execution.orphaned ? TASK_ORPHANED : TASK_RETURN;
	}
}

/* What was received could not be unpacked, or the result not packed. */
static enum task_end
fail_archive(struct attempt *a, const struct err *why, enum err_code fallback)
{
	if (a->execution.stop != EXECUTION_GOES_ON)
		return stop_attempt(a);
	if (why->code != ERR_INTERNAL)
		return fail_attempt(a, why, fallback);
	/* It was killed, or has no memory: as if this process had been. */
	task_report(a->options, true, a->record.id, "%s", why->message);
	execution_pause(&a->execution, PAUSE_MS);
	return TASK_DIED;
}

/* Note whether this process is reading or making an archive. */
static void
note_archive(const struct attempt *a, bool at_archive)
{
	if (a->options->at_archive != NULL)
		*a->options->at_archive = at_archive;
}

/* Make the workspace and the log; -1 when the task cannot begin. */
static int
set_up(struct attempt *a, struct err *e)
{
	if (workspace_plan(&a->workspace, &a->record, e) < 0)
		return -1;
	a->workspace.account = account_for(&a->options->sandbox);
	a->workspace.interrupt = execution_interrupt(&a->execution);
	note_archive(a, true);
	int status = workspace_unpack(&a->workspace, e);
	note_archive(a, false);
	if (status < 0)
		return -1;
	a->output = output_create(a->record.dirfd, "output.log", a->options->max_output, e);
	return a->output == NULL ? -1 : 0;
}

/* Fill ${why} from the wait status of a command that did not end well. */
static void
explain(const struct attempt *a, int status, struct err *why)
{
	const char *complaint = output_complaint(a->output);
	int signal = outcome_signal(&a->options->sandbox, status);

	const char *limit = signal == SIGXCPU   ? ", out of CPU time"
			    : signal == SIGXFSZ ? ", at a file that grew too large"
						: "";
	if (signal != 0)
		err_set(why, ERR_TASK_FAILED, "killed by signal %d%s", signal, limit);
	else
		err_set(why, ERR_TASK_FAILED, "exit %d", WEXITSTATUS(status));
	if (complaint[0] != '\0') {
		size_t n = strlen(why->message);
		(void)snprintf(why->message + n, sizeof why->message - n, ": %s", complaint);
		err_clean(why->message);
	}
}

/* The command has done its work, and what comes of it cannot be kept because of ${why}.  If there
 * is no space, wait for some: true if it may be tried again. */
static bool
wait_for_space(struct attempt *a, const struct err *why)
{
	static const char note[] = "the work is done; its result waits for space on the disk";

	if (why->code != ERR_NO_SPACE)
		return false;
	if (!a->waits) {
		task_report(a->options, true, a->record.id, "%s: %s", note, why->message);
		/* Only a note: it may fail. */
		assignment_progress(a->record.id, a->run, note, NULL);
	}
	a->waits = true;
	return execution_pause(&a->execution, PAUSE_MS) == EXECUTION_GOES_ON;
}

/* The result is packed: have the record say so, and what comes with it. */
static int
record_completion(struct attempt *a, const json_t *result, const json_t *metadata, struct err *e)
{
	/* Out of the way first: once it is complete, the delegator may have all of it removed. */
	while (workspace_retire(&a->workspace, a->retired, e) < 0)
		if (!wait_for_space(a, e))
			return -1;
	while (assignment_complete(a->record.id, a->run, result, metadata, e) < 0)
		if (!wait_for_space(a, e))
			return -1;
	return 0;
}

/* Report that the task is done, with its packed result of ${totals}; it began at ${began}. */
static enum task_end
complete_attempt(struct attempt *a, const struct pack_totals *totals, const json_t *metadata,
		 int64_t began)
{
	const char *summary = output_last(a->output, OUTPUT_STDOUT);
	struct err e;

	json_t *result = workspace_result(&a->workspace, summary[0] == '\0' ? "done" : summary);
	if (result == NULL) {
		err_memory(&e);
		return attempt_postpone(a, &e);
	}
	int status = record_completion(a, result, metadata, &e);
	json_decref(result);
	if (status < 0 && a->execution.stop != EXECUTION_GOES_ON)
		return stop_attempt(a);
	if (status < 0 && e.code != ERR_BAD_STATE)
		return attempt_postpone(a, &e);
	if (status < 0)
		task_report(a->options, false, a->record.id, "cancelled");
	else
		task_report(a->options, false, a->record.id,
			    "done in %.1f s: %llu files, %llu bytes",
			    (double)(clock_steady() - began) / 1000.0,
			    (unsigned long long)totals->files, (unsigned long long)totals->bytes);
	return TASK_OVER;
}

/* Say what of ${metadata} is not as the command left it. */
static void
note_withheld(const struct attempt *a, const struct pack_totals *totals, const json_t *metadata)
{
	const json_t *list = json_object_get(metadata, "withheld"), *one;
	char note[OUTPUT_PROGRESS];
	size_t i;

	int n = snprintf(note, sizeof note, "not sent back, and kept as it was, are %llu paths",
			 (unsigned long long)totals->withheld);
	json_array_foreach (list, i, one)
		if ((size_t)n < sizeof note)
			n += snprintf(note + n, sizeof note - (size_t)n, "%s %s",
				      i == 0 ? ":" : ";", json_string_value(one));
	note[text_trim(note, strlen(note))] = '\0';
	assignment_progress(a->record.id, a->run, note, NULL); /* only a note: it may fail */
}

/* Pack what the command left, and report that it is done. */
static enum task_end
hand_in(struct attempt *a, int64_t began)
{
	struct pack_totals totals;
	json_t *metadata;
	struct err e;
	int status;

	do {
		note_archive(a, true);
		status = workspace_collect(&a->workspace, &totals, &metadata, &e);
		note_archive(a, false);
	} while (status < 0 && wait_for_space(a, &e));
	if (status < 0)
		return fail_archive(a, &e, ERR_TASK_FAILED);
	if (execution_pause(&a->execution, 0) == EXECUTION_EXPIRED) {
		json_decref(metadata);
		return stop_attempt(a);
	}
	if (totals.withheld > 0)
		note_withheld(a, &totals, metadata);
	enum task_end end = complete_attempt(a, &totals, metadata, began);
	json_decref(metadata);
	return end;
}

/* The task had a worker that died, and is not to be run again. */
static enum task_end
give_up(struct attempt *a)
{
	char times[32] = "";
	struct err why;

	if (a->deaths > 1)
		(void)snprintf(times, sizeof times, " %lld times", (long long)a->deaths);
	if (a->options->recovery == QUEUE_LOSE)
		err_set(&why, ERR_TASK_FAILED,
			"its worker died%s, and nobody can know what it had done by then", times);
	else
		err_set(&why, ERR_TASK_FAILED, "its worker died%s", times);
	err_hint(&why, "delegate it again if it did no harm there");
	return fail_attempt(a, &why, ERR_TASK_FAILED);
}

/* The profile is rate-limited, as ${reason} says. */
static enum task_end
put_off(const struct attempt *a, const char *reason)
{
	task_report(a->options, false, a->record.id, "put off: %s", reason);
	/* Only a note: it may fail. */
	assignment_progress(a->record.id, a->run, "put off: the worker is rate-limited", NULL);
	return TASK_LIMITED;
}

/* The command has ended by itself with the wait status ${status}. */
static enum task_end
judge(struct attempt *a, int status, int64_t began)
{
	char reason[OUTCOME_REASON];
	struct err why;

	switch (outcome_classify(a->options, &a->execution, a->output, status, reason)) {
	case OUTCOME_DONE:
		return hand_in(a, began);
	case OUTCOME_LIMITED:
		return put_off(a, reason);
	default:
		explain(a, status, &why);
		return fail_attempt(a, &why, ERR_TASK_FAILED);
	}
}

/* The delegator was promised a sandbox by the executor, which is another program, perhaps with
 * other settings: it is kept here. */
static int
check_sandbox(const struct attempt *a, struct err *e)
{
	const json_t *demand = invite_sandbox(assignment_invite(a->record.json));
	struct err why;

	if (sandbox_meets(&a->options->sandbox, demand, &why) == 0)
		return 0;
	err_set(e, ERR_SETUP_FAILED, "the worker has another sandbox than the executor: %s",
		why.message);
	return err_hint(e, "its operator sets AWCP_SANDBOX for both");
}

enum task_end
attempt_run(struct attempt *a)
{
	const struct task_options *o = a->options;
	const struct execution_command command = {&a->workspace, &o->sandbox, o->profile->argv};
	int64_t began = clock_steady();
	struct err e;
	int status;

	if (execution_pause(&a->execution, 0) != EXECUTION_GOES_ON)
		return stop_attempt(a);
	if (a->deaths > 0 && (o->recovery != QUEUE_RETURN || a->deaths >= o->max_attempts))
		return give_up(a);
	if (check_sandbox(a, &e) < 0)
		return fail_attempt(a, &e, ERR_SETUP_FAILED);
	if (set_up(a, &e) < 0)
		return fail_archive(a, &e, ERR_SETUP_FAILED);
	if (execution_pause(&a->execution, 0) != EXECUTION_GOES_ON)
		return stop_attempt(a);
	if (assignment_running(a->record.id, a->run, &e) < 0) {
		if (e.code == ERR_NO_SPACE)
			return fail_attempt(a, &e, ERR_SETUP_FAILED);
		return e.code == ERR_BAD_STATE ? TASK_OVER : attempt_postpone(a, &e);
	}
	if (execution_run(&a->execution, &command, a->output, &status, &e) < 0) {
		if (e.code != ERR_NO_SPACE) /* which is no fault of the command */
			outcome_not_started(o, &e);
		return fail_attempt(a, &e, ERR_SETUP_FAILED);
	}
	if (a->execution.stop != EXECUTION_GOES_ON)
		return stop_attempt(a);
	return judge(a, status, began);
}
