#include "worker/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "process/account.h"
#include "process/output.h"
#include "state/space.h"
#include "worker/outcome.h"
#include "worker/workspace.h"

#define SESSION 408   /* bytes of a tenant and of a session's name, with a colon and a NUL */
#define PAUSE_MS 5000 /* before a task is handed back because something failed here */

struct job {
	const struct task_options *options;
	struct queue *queue;
	const struct queue_claim *claim;
	char id[QUEUE_ID];              /* of the task */
	char directory[QUEUE_JOB_PATH]; /* below the state directory */
	int dirfd;
	char session[SESSION]; /* as the command is told it */
	struct execution execution;
	struct workspace workspace;
	struct output *output;
};

static bool
still_claimed(void *arg)
{
	const struct job *j = arg;

	return !queue_claim_ended(j->claim);
}

static void
beat_claim(void *arg, const char *text)
{
	const struct job *j = arg;

	/* One beat that is lost does no harm. */
	queue_beat(j->queue, queue_claim_id(j->claim), QUEUE_LEASE_MS, text, NULL);
}

/* End the claim. */
static enum task_end
end_claim(struct job *j, const struct queue_outcome *o)
{
	struct err e;
	int status;

	do
		status = queue_finish(j->queue, queue_claim_id(j->claim), o, &e);
	while (status < 0 && space_release(&e));
	if (status == 0 || e.code == ERR_BAD_STATE)
		return o->event == QUEUE_RETURN || o->event == QUEUE_LIMIT ? TASK_LATER : TASK_OVER;
	task_report(j->options, true, j->id, "%s", e.message);
	return TASK_DIED; /* not recorded: the next worker takes it for lost */
}

static enum task_end
fail_job(struct job *j, enum queue_event event, const struct err *why, int status)
{
	const struct queue_outcome o = {.event = event,
					.code = event == QUEUE_RETURN ? NULL : err_name(why->code),
					.message = why->message,
					.exit = status};

	task_report(j->options, event == QUEUE_RETURN, j->id, "%s: %s", err_name(why->code),
		    why->message);
	if (event == QUEUE_RETURN && j->execution.signalfd >= 0)
		execution_rest(&j->execution, PAUSE_MS);
	return end_claim(j, &o);
}

static enum task_end
stop_job(struct job *j)
{
	struct queue_outcome o = {
	    .event = QUEUE_RETURN, .message = "the worker stopped", .exit = -1};
	struct err why;

	switch (j->execution.stop) {
	case EXECUTION_OVERTAKEN:
		task_report(j->options, false, j->id, "cancelled, or taken by another worker");
		return TASK_OVER;
	case EXECUTION_EXPIRED:
		err_set(&why, ERR_EXPIRED, "it ran longer than its timeout");
		return fail_job(j, QUEUE_TIME_OUT, &why, -1);
	case EXECUTION_EXCEEDED:
		return fail_job(j, QUEUE_FAIL, &j->execution.exceeded, -1);
	default:
		task_report(j->options, false, j->id,
			    j->execution.orphaned ? "stopped: its worker died"
						  : "handed back: the worker stops");
		return j->execution.orphaned ? TASK_ORPHANED : end_claim(j, &o);
	}
}

static int
set_up_job(struct job *j, struct err *e)
{
	int homefd = home_open(e);

	if (homefd < 0 || file_make_dirs(homefd, j->directory, e) < 0)
		return -1;
	j->dirfd = file_open_dir(homefd, j->directory, e);
	if (j->dirfd < 0 ||
	    (queue_claim_id(j->claim).attempt > 1 && execution_clear(j->directory, e) < 0) ||
	    workspace_empty(&j->workspace, j->dirfd, j->directory,
			    account_for(&j->options->sandbox), e) < 0)
		return -1;
	j->output = output_create(j->dirfd, "output.log", j->options->max_output, e);
	return j->output == NULL ? -1 : 0;
}

/* The command has done its work. */
static enum task_end
complete_job(struct job *j)
{
	struct queue_outcome o = {
	    .event = QUEUE_COMPLETE,
	    .exit = 0,
	    .result = workspace_result(&j->workspace, output_last(j->output, OUTPUT_STDOUT))};

	enum task_end end = end_claim(j, &o);
	json_decref(o.result);
	task_report(j->options, false, j->id, "done");
	return end;
}

/* The command has ended by itself with the wait status ${status}. */
static enum task_end
judge_job(struct job *j, int status)
{
	const char *complaint = output_complaint(j->output);
	struct queue_outcome o = {.event = QUEUE_LIMIT};
	char limit[OUTCOME_REASON];
	struct err why;

	enum outcome outcome =
	    outcome_classify(j->options, &j->execution, j->output, status, limit);
	if (outcome == OUTCOME_DONE)
		return complete_job(j);
	o.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (outcome == OUTCOME_LIMITED) {
		o.pause = outcome_pause(j->options, queue_claim_task(j->claim));
		o.message = limit;
		task_report(j->options, false, j->id, "%s", limit);
		return end_claim(j, &o);
	}
	err_set(&why, ERR_TASK_FAILED, "exit %d%s%s", o.exit, complaint[0] != '\0' ? ": " : "",
		complaint);
	return fail_job(j, QUEUE_FAIL, &why, o.exit);
}

static enum task_end
run_command(struct job *j)
{
	const struct execution_command command = {&j->workspace, &j->options->sandbox,
						  j->options->profile->argv};
	struct err e;
	int status;

	if (set_up_job(j, &e) < 0)
		return fail_job(j, QUEUE_RETURN, &e, -1);
	task_report(j->options, false, j->id, "begun");
	if (execution_run(&j->execution, &command, j->output, &status, &e) < 0) {
		if (e.code == ERR_NO_SPACE) /* which is no fault of the command */
			return fail_job(j, QUEUE_RETURN, &e, -1);
		outcome_not_started(j->options, &e);
		return fail_job(j, QUEUE_FAIL, &e, -1);
	}
	if (j->execution.stop != EXECUTION_GOES_ON)
		return stop_job(j);
	return judge_job(j, status);
}

/* The payload as the command reads it: text as it is, anything else as JSON. */
static char *
make_prompt(const json_t *task)
{
	const json_t *payload = task_payload(task);

	return json_is_string(payload) ? strdup(json_string_value(payload))
				       : json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The session of ${task}, or NULL.  It belongs to its tenant: nobody goes on with what another one
 * has told the command, who knows or guesses the name. */
static const char *
name_session(struct job *j, const json_t *task)
{
	const char *session = task_session(task), *tenant = task_tenant(task);

	if (session == NULL || tenant == NULL)
		return session;
	(void)snprintf(j->session, sizeof j->session, "%s:%s", tenant, session);
	return j->session;
}

enum task_end
job_run(const struct task_options *o, struct queue *q, const struct queue_claim *claim)
{
	struct job j = {
	    .options = o, .queue = q, .claim = claim, .dirfd = -1, .execution = {.signalfd = -1}};
	const json_t *task = queue_claim_task(claim);
	const struct queue_claim_id id = queue_claim_id(claim);
	int64_t timeout = task_timeout(task);
	struct execution_purpose p = {.id = j.id,
				      .description = task_name(task),
				      .session = name_session(&j, task),
				      .expires = timeout == 0 ? 0 : clock_now() + timeout * 1000,
				      .patient = true,
				      .asker = {.queue = q, .claim = id},
				      .wanted = still_claimed,
				      .progress = beat_claim,
				      .arg = &j};
	enum task_end end;
	struct err e;

	(void)snprintf(j.id, sizeof j.id, "%s", task_id(task));
	queue_job_path(q, id.number, j.directory);
	char *prompt = make_prompt(task);
	p.prompt = prompt;
	if (prompt == NULL || execution_begin(&j.execution, &p, &e) < 0) {
		(void)(prompt == NULL ? err_memory(&e) : 0);
		end = fail_job(&j, QUEUE_RETURN, &e, -1);
	} else {
		end = run_command(&j);
		if (end != TASK_ORPHANED && j.dirfd >= 0)
			workspace_remove(j.dirfd, NULL); /* what is left is for awcp-reap */
		execution_end(&j.execution);
	}
	output_free(j.output);
	file_close(j.dirfd);
	free(prompt);
	return end;
}
