#include "delegator/job.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "delegation/delegation.h"
#include "base/file.h"
#include "http/http.h"
#include "http/log.h"
#include "http/pool.h"
#include "process/launch.h"
#include "delegator/owned.h"
#include "wire/members.h"

#define REPORT_MAX 262144 /* bytes */
#define RESPAWN_S 10      /* between two searches for what nobody follows */
#define OVERDUE_ROUND 30  /* one in so many of them looks at what is past its lease, too */

/* The environment without the request's: in CGI, headers are variables, secrets among them. */
static char **
own_environment(void)
{
	size_t n = 0, kept = 0;

	while (environ[n] != NULL)
		n++;
	char **list = calloc(n + 1, sizeof *list);
	for (size_t i = 0; list != NULL && i < n; i++)
		if (strncmp(environ[i], "HTTP_", 5) != 0 && strncmp(environ[i], "REQUEST_", 8) != 0)
			list[kept++] = environ[i];
	return list;
}

/* Start this program as ${s} says; as launch. */
static pid_t
launch_self(struct launch *s, struct err *e)
{
	s->program = "/proc/self/exe";
	char **environment = own_environment();
	if (environment == NULL)
		return err_memory(e);
	s->envp = environment;
	pid_t child = launch(s, e);
	free(environment);
	return child;
}

/* The error that a failed job printed. */
static int
read_report(const struct buf *report, json_t **more, struct err *e)
{
	json_t *o = jsonx_parse_own(report->data != NULL ? report->data : "", report->len, NULL);
	const char *code = error_code(o);

	if (code == NULL) {
		json_decref(o);
		return err_set(e, ERR_INTERNAL, "a process that worked for this request died");
	}
	err_set(e, err_from_name(code), "%s", jsonx_text(o, "error", ""));
	err_hint(e, "%s", error_hint(o));
	*more = o;
	return -1;
}

/* Run ${argv} and read what it prints into ${report}.  Its exit status, or -1 if it cannot be
 * started. */
static int
run_to_end(char *const argv[], const char *input, struct buf *report, struct err *e)
{
	struct launch s = {.argv = argv, .input = input, .stderrfd = -1};
	struct err ignored;
	char piece[4096];
	int ends[2], how = -1;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	s.stdoutfd = ends[1];
	pid_t child = launch_self(&s, e);
	file_close(ends[1]);
	if (child > 0) {
		while ((n = file_read(ends[0], piece, sizeof piece, &ignored)) > 0)
			(void)buf_add(report, piece, (size_t)n, &ignored); /* or it is no JSON */
		how = launch_wait(child);
		how = how < 0 ? 255 : how;
	}
	file_close(ends[0]);
	return how;
}

int
delegator_job_run(const struct delegator_job *job, json_t **more, struct err *e)
{
	struct buf report = BUF_INIT(REPORT_MAX);
	char *const argv[] = {(char *)"awcp-delegator", (char *)(uintptr_t)job->name,
			      (char *)(uintptr_t)job->id, (char *)(uintptr_t)job->snapshot, NULL};

	*more = NULL;
	int how = run_to_end(argv, job->input, &report, e);
	int status = how > 0 ? read_report(&report, more, e) : how;
	buf_free(&report);
	return status;
}

int
delegator_job_follow(const char *id, struct err *e)
{
	char *const argv[] = {(char *)"awcp-delegator", (char *)"follow", (char *)(uintptr_t)id,
			      NULL};
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	struct launch s = {.argv = argv, .stdoutfd = -1, .detached = true};
	struct record r;

	if (record_open(DELEGATIONS, id, false, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	/* What it has to report is about this one delegation. */
	s.stderrfd = openat(r.dirfd, "follow.log", flags, 0600);
	record_close(&r);
	if (s.stderrfd < 0)
		return err_sys(e, "cannot write follow.log");
	pid_t child = launch_self(&s, e);
	if (child > 0)
		(void)launch_wait(child); /* only for what started it */
	file_close(s.stderrfd);
	return child > 0 ? 0 : -1;
}

static int
respawn_follower(void *arg, const struct record *r)
{
	const unsigned *round = arg;
	struct err e;

	/* One that has ended is left when it is still to be applied. */
	bool over = delegation_ended(r->json) ? !delegation_waits(r->json)
					      : owned_overdue(r) && *round % OVERDUE_ROUND != 0;
	if (!over && !owned_followed(r) && delegator_job_follow(r->id, &e) < 0)
		http_log("follow %s: %s", r->id, e.message);
	return 0;
}

_Noreturn static void *
respawn_for_ever(void *unused)
{
	struct err e;

	(void)unused;
	for (unsigned round = 0;; round++) {
		if (owned_list(NULL, true, respawn_follower, &round, &e) < 0)
			http_log("cannot see what is unfinished: %s", e.message);
		(void)sleep(RESPAWN_S);
	}
}

int
delegator_job_respawn(struct err *e)
{
	json_object_seed(0); /* before there are two who would */
	return pool_thread(respawn_for_ever, e);
}
