#include "worker/job.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/execution.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "process/output.h"
#include "worker/outcome.h"
#include "worker/workspace.h"

struct job {
	const struct task_options *options;
	struct queue *queue;
	const struct queue_claim *claim;
	char id[QUEUE_ID];              /* of the task */
	char directory[QUEUE_JOB_PATH]; /* below the state directory */
	int dirfd;
	struct execution execution;
	struct workspace workspace;
	struct output *output;
};

static void __attribute__((format(printf, 3, 4)))
report(const struct job *j, bool trouble, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (j->options->report != NULL)
		j->options->report(j->options->report_arg, trouble, j->id, text);
}

static bool
still_claimed(void *arg)
{
	const struct job *j = arg;

	return !queue_claim_ended(j->claim);
}

static void
tell_progress(void *arg, const char *text)
{
	const struct job *j = arg;

	(void)queue_beat(j->queue, queue_claim_id(j->claim), QUEUE_LEASE_MS, text, NULL);
}

/* End the claim. */
static enum task_end
finish(struct job *j, const struct queue_outcome *o)
{
	struct err e;

	if (queue_finish(j->queue, queue_claim_id(j->claim), o, &e) == 0 || e.code == ERR_BAD_STATE)
		return o->event == QUEUE_RETURN || o->event == QUEUE_LIMIT ? TASK_LATER : TASK_OVER;
	report(j, true, "%s", e.message);
	return TASK_DIED; /* it is not told: the next worker takes it for lost */
}

static enum task_end
fail(struct job *j, enum queue_event event, const struct err *why, int status)
{
	const struct queue_outcome o = {.event = event,
					.code = event == QUEUE_RETURN ? NULL : err_name(why->code),
					.message = why->message,
					.exit = status};

	report(j, event == QUEUE_RETURN, "%s: %s", err_name(why->code), why->message);
	return finish(j, &o);
}

static enum task_end
stopped(struct job *j)
{
	struct queue_outcome o = {
	    .event = QUEUE_RETURN, .message = "the worker stopped", .exit = -1};
	struct err why;

	switch (j->execution.stop) {
	case EXECUTION_OVERTAKEN:
		report(j, false, "cancelled, or taken by another worker");
		return TASK_OVER;
	case EXECUTION_EXPIRED:
		err_set(&why, ERR_EXPIRED, "it ran longer than its timeout");
		return fail(j, QUEUE_TIME_OUT, &why, -1);
	case EXECUTION_EXCEEDED:
		return fail(j, QUEUE_FAIL, &j->execution.exceeded, -1);
	default:
		report(j, false,
		       j->execution.orphaned ? "stopped: its worker died"
					     : "handed back: the worker stops");
		return j->execution.orphaned ? TASK_ORPHANED : finish(j, &o);
	}
}

static int
set_up(struct job *j, struct err *e)
{
	int homefd = home_open(e);

	if (homefd < 0 || file_make_dirs(homefd, j->directory, e) < 0)
		return -1;
	j->dirfd = file_open_dir(homefd, j->directory, e);
	if (j->dirfd < 0 ||
	    (queue_claim_id(j->claim).attempt > 1 && execution_clear(j->directory, e) < 0) ||
	    workspace_empty(&j->workspace, j->dirfd, j->directory, e) < 0)
		return -1;
	int logfd =
	    file_open_beneath(j->dirfd, "output.log", O_WRONLY | O_CREAT | O_TRUNC, 0600, e);
	if (logfd < 0)
		return -1;
	j->output = output_new(logfd, j->options->max_output, e);
	if (j->output == NULL)
		file_close(logfd);
	return j->output == NULL ? -1 : 0;
}

/* What the command reported, or the end of what it wrote. */
static json_t *
make_result(const struct job *j)
{
	json_t *result = workspace_result(&j->workspace);

	if (result != NULL)
		return result;
	result = json_object();
	if (jsonx_set(result, "summary", output_summary(j->output)) < 0) {
		json_decref(result);
		return NULL;
	}
	return result;
}

/* The command has done its work. */
static enum task_end
done(struct job *j)
{
	struct queue_outcome o = {.event = QUEUE_COMPLETE, .exit = 0, .result = make_result(j)};

	enum task_end end = finish(j, &o);
	json_decref(o.result);
	report(j, false, "done");
	return end;
}

/* The command has ended by itself with the wait status ${status}. */
static enum task_end
ended(struct job *j, int status)
{
	const char *said = output_complaint(j->output);
	struct queue_outcome o = {.event = QUEUE_LIMIT};
	char limit[VERDICT_REASON];
	struct err why;

	enum verdict verdict =
	    outcome_classify(j->options, &j->execution, j->output, status, limit);
	if (verdict == VERDICT_DONE)
		return done(j);
	o.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (verdict == VERDICT_LIMITED) {
		o.pause = outcome_pause(j->options, queue_claim_task(j->claim));
		o.message = limit;
		report(j, false, "%s", limit);
		return finish(j, &o);
	}
	err_set(&why, ERR_TASK_FAILED, "exit %d%s%s", o.exit, said[0] != '\0' ? ": " : "", said);
	return fail(j, QUEUE_FAIL, &why, o.exit);
}

static enum task_end
carry_out(struct job *j)
{
	struct err e;
	int status;

	if (set_up(j, &e) < 0)
		return fail(j, QUEUE_RETURN, &e, -1);
	report(j, false, "begun");
	if (execution_run(&j->execution, &j->workspace, &j->options->sandbox,
			  j->options->profile->argv, j->output, &status, &e) < 0) {
		outcome_not_started(j->options, &e);
		return fail(j, QUEUE_FAIL, &e, -1);
	}
	if (j->execution.stop != EXECUTION_GOES_ON)
		return stopped(j);
	return ended(j, status);
}

/* The payload as the command reads it: a text as it is, else JSON. */
static char *
prompt_of(const json_t *task)
{
	const json_t *payload = task_payload(task);

	return json_is_string(payload) ? strdup(json_string_value(payload))
				       : json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
}

enum task_end
job_run(const struct task_options *o, struct queue *q, const struct queue_claim *claim)
{
	struct job j = {.options = o, .queue = q, .claim = claim, .dirfd = -1};
	const json_t *task = queue_claim_task(claim);
	const struct queue_claim_id id = queue_claim_id(claim);
	int64_t timeout = task_timeout(task);
	struct execution_purpose p = {.id = j.id,
				      .description = task_name(task),
				      .session = task_session(task),
				      .expires = timeout == 0 ? 0 : clock_now() + timeout * 1000,
				      .patient = true,
				      .asks = {q, id, 0, NULL, NULL},
				      .wanted = still_claimed,
				      .progress = tell_progress,
				      .arg = &j};
	enum task_end end;
	struct err e;

	(void)snprintf(j.id, sizeof j.id, "%s", task_id(task));
	queue_job_path(q, id.number, j.directory);
	char *prompt = prompt_of(task);
	p.prompt = prompt;
	if (prompt == NULL || execution_begin(&j.execution, &p, &e) < 0) {
		(void)(prompt == NULL ? err_memory(&e) : 0);
		end = fail(&j, QUEUE_RETURN, &e, -1);
	} else {
		end = carry_out(&j);
		if (end != TASK_ORPHANED && j.dirfd >= 0)
			(void)workspace_remove(j.dirfd, NULL); /* what is left is for awcp-reap */
		execution_end(&j.execution);
	}
	output_free(j.output);
	file_close(j.dirfd);
	free(prompt);
	return end;
}
