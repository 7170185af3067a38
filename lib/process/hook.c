/*
 * A hook may be run by a program with many threads.  So what happens between fork and exec, or in
 * the process that supervises a hook that nobody waits for, is limited to what is safe there:
 * system calls, on memory that was prepared before.
 */
#include "process/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"
#include "log/logfmt.h"
#include "log/members.h"
#include "process/launch.h"
#include "process/output.h"
#include "process/signals.h"

#define VARIABLES 16
#define TIMED_OUT (-2)

/* What a hook may know of our environment. */
static const char *const passed[] = {"PATH", "HOME",   "USER",      "LOGNAME",       "LANG",
				     "TZ",   "TMPDIR", "AWCP_HOME", "XDG_STATE_HOME"};

struct hook {
	char program[8192];
	char home[4096];
	int inputfd, outputfd, logfd;
	long long seconds;
	char variables[VARIABLES][4352];
	char *environment[VARIABLES + 1];
	size_t count;
	struct output *output;  /* to hooks.log: its lines without secrets */
	char line[LOGFMT_LINE]; /* of the log, but for how it ended */
};

static void
set_variable(struct hook *k, const char *name, const char *value)
{
	if (value == NULL || k->count == VARIABLES)
		return;
	int n = snprintf(k->variables[k->count], sizeof k->variables[0], "%s=%s", name, value);
	if (n < 0 || (size_t)n >= sizeof k->variables[0])
		return; /* one that is so long is not one that a hook needs */
	k->environment[k->count] = k->variables[k->count];
	k->environment[++k->count] = NULL;
}

static void
hook_close(struct hook *k)
{
	if (k == NULL)
		return;
	output_free(k->output);
	file_close(k->inputfd);
	file_close(k->outputfd);
	file_close(k->logfd);
	free(k);
}

/* Is there such a hook?  Writes its path. */
static bool
find_hook(const char *name, char path[8192])
{
	const char *dir = setting_given(SETTING_HOOKS);
	struct err ignored;

	if (home_open(&ignored) < 0)
		return false;
	if (dir != NULL && dir[0] == '/')
		(void)snprintf(path, 8192, "%s/%s", dir, name);
	else
		(void)snprintf(path, 8192, "%s/%s/%s", home_path(), dir != NULL ? dir : "hooks",
			       name);
	return access(path, F_OK) == 0;
}

/* A file in memory with ${o} as text, to be read from its start. */
static int
make_input(const json_t *o, struct err *e)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text == NULL)
		return err_memory(e);
	int fd = file_in_memory(text, strlen(text), e);
	free(text);
	return fd;
}

/* Make everything ready to run ${program} as hook ${name}. */
static struct hook *
prepare_hook(const char *name, const char *program, const char *id, const json_t *record,
	     struct err *e)
{
	struct hook *k = calloc(1, sizeof *k);

	if (k == NULL) {
		err_memory(e);
		return NULL;
	}
	k->inputfd = k->outputfd = k->logfd = -1;
	(void)snprintf(k->program, sizeof k->program, "%s", program);
	(void)snprintf(k->home, sizeof k->home, "%s", home_path());
	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		set_variable(k, passed[i], getenv(passed[i]));
	set_variable(k, "AWCP_ID", id);
	set_variable(k, "AWCP_HOOK", name);
	set_variable(k, "AWCP_ROLE", record_peer_url(record) != NULL ? "delegator" : "executor");
	logfmt_render(k->line, "hook-failed", "hook", name, "id", id, LOGFMT_END);
	if (setting_number(SETTING_HOOK_TIMEOUT, &k->seconds, e) < 0 ||
	    (k->inputfd = make_input(record, e)) < 0 ||
	    (k->outputfd = logfmt_open("hooks", e)) < 0 ||
	    (k->output = output_new(k->outputfd, UINT64_MAX, e)) == NULL ||
	    (k->logfd = logfmt_target("lifecycle", e)) < 0) {
		hook_close(k);
		return NULL;
	}
	if (k->seconds < 1 || k->seconds > 3600)
		k->seconds = setting_default(SETTING_HOOK_TIMEOUT);
	return k;
}

/* A pipe that does not block us, but the hook. */
static int
make_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(ends[1], F_SETFL, 0) < 0 ? -1 : 0;
}

/* Between fork and exec. */
_Noreturn static void
become(const struct hook *k, int stdoutfd, int stderrfd)
{
	char *const argv[] = {(char *)(uintptr_t)k->program, NULL};

	signals_reset();
	if (setsid() < 0 || chdir(k->home) < 0 || dup2(k->inputfd, 0) < 0 ||
	    dup2(stdoutfd, 1) < 0 || dup2(stderrfd, 2) < 0 ||
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(127);
	(void)execve(k->program, argv, k->environment);
	_exit(127);
}

/* What is read from a hook. */
struct capture {
	struct hook *hook;
	struct pollfd fds[3]; /* its end, its answer (fd -1: none is wanted), the rest */
	char *answer;
	size_t n;
};

enum { END, ANSWER, REST };

/* Read what ${which} has; false if there is nothing.  Its end is noted. */
static bool
read_hook(struct capture *c, int which)
{
	char piece[4096];
	ssize_t got = read(c->fds[which].fd, piece, sizeof piece);

	if (got > 0 && which == REST)
		output_add(c->hook->output, OUTPUT_STDERR, piece, (size_t)got);
	for (ssize_t i = 0; which == ANSWER && i < got && c->n < HOOK_ANSWER - 1; i++)
		c->answer[c->n++] = piece[i];
	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
		c->fds[which].fd = -1;
	return got > 0;
}

/* Read until the hook ends and, if nobody waits for its answer, until all that it left in the
 * background has closed its output.  False if it did not end in time. */
static bool
read_until_end(struct capture *c)
{
	int64_t until = clock_steady() + c->hook->seconds * 1000;
	bool alone = c->fds[ANSWER].fd < 0, ended = false;
	int left;

	if (c->fds[END].fd < 0)
		return false;
	while ((!ended || (alone && c->fds[REST].fd >= 0)) &&
	       (left = (int)(until - clock_steady())) > 0) {
		if (poll(c->fds, 3, left) <= 0)
			continue;
		for (int i = ANSWER; i <= REST; i++)
			if (c->fds[i].revents != 0)
				(void)read_hook(c, i);
		if (c->fds[END].revents != 0) {
			ended = true;
			c->fds[END].fd = -1;
		}
	}
	return ended;
}

/* Wait for the end of ${pid}, which is killed with its group when the time is over.  Returns its
 * status as from waitpid(2), TIMED_OUT, or -1.  What comes from ${answerfd} (or -1) goes to
 * ${answer}, what comes from ${outputfd} to the log. */
static int
await_hook(struct hook *k, pid_t pid, int answerfd, int outputfd, char answer[HOOK_ANSWER])
{
	int pidfd = pidfd_open(pid, 0), status = -1;
	struct capture c = {k,
			    {{.fd = pidfd, .events = POLLIN},
			     {.fd = answerfd, .events = POLLIN},
			     {.fd = outputfd, .events = POLLIN}},
			    answer,
			    0};

	bool ended = read_until_end(&c);
	if (!ended) {
		(void)kill(-pid, SIGKILL);
		(void)kill(pid, SIGKILL); /* it may not have come to setsid */
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			status = -1;
			break;
		}
	for (int i = ANSWER; i <= REST; i++)
		while (c.fds[i].fd >= 0 && (i == REST || ended) && read_hook(&c, i))
			continue;
	output_end(k->output);
	answer[c.n] = '\0';
	file_close(pidfd);
	return ended ? status : TIMED_OUT;
}

/* Put the number ${n} (at most 3 digits) and an end of line after ${line}. */
static void
finish_line(char *line, size_t size, const char *how, int n)
{
	char tail[64];
	size_t at = strlen(line), m = 0;

	tail[m++] = ' ';
	while (*how != '\0')
		tail[m++] = *how++;
	tail[m++] = '=';
	for (int unit = 100; unit > 0; unit /= 10)
		if (n >= unit || unit == 1)
			tail[m++] = (char)('0' + n / unit % 10);
	tail[m++] = '\n';
	if (at + m < size) {
		memcpy(line + at, tail, m);
		line[at + m] = '\0';
	}
}

/* Log how a hook failed. */
static void
log_failure(struct hook *k, int status)
{
	if (status == TIMED_OUT)
		finish_line(k->line, sizeof k->line, "timeout", (int)(k->seconds % 1000));
	else if (status != -1 && WIFSIGNALED(status))
		finish_line(k->line, sizeof k->line, "signal", WTERMSIG(status));
	else
		finish_line(k->line, sizeof k->line, "status",
			    status == -1 ? 127 : WEXITSTATUS(status));
	(void)file_write(k->logfd, k->line, strlen(k->line), NULL);
}

/* The life of the process that supervises a hook that nobody waits for. */
_Noreturn static void
supervise(struct hook *k)
{
	static char unused[HOOK_ANSWER];
	unsigned kept = (unsigned)k->outputfd;
	int ends[2];

	/* Nothing of ours may stay open because of a hook: no lock, no connection. */
	if (dup2(k->inputfd, 0) < 0 || dup2(k->logfd, 1) < 0 || dup2(k->logfd, 2) < 0 ||
	    (kept > 3 && close_range(3, kept - 1, 0) < 0) || close_range(kept + 1, ~0U, 0) < 0)
		_exit(1);
	k->inputfd = 0;
	k->logfd = 2;
	pid_t pid = fork();
	if (pid > 0)
		_exit(0);
	if (pid < 0 || setsid() < 0 || make_pipe(ends) < 0)
		_exit(1);
	pid = fork();
	if (pid == 0)
		become(k, ends[1], ends[1]);
	file_close(ends[1]);
	int status = pid < 0 ? -1 : await_hook(k, pid, -1, ends[0], unused);
	if (status != 0)
		log_failure(k, status);
	_exit(0);
}

void
hook_notify(const char *name, const char *id, const json_t *record)
{
	char path[8192];
	struct err e;

	if (!find_hook(name, path))
		return;
	struct hook *k = prepare_hook(name, path, id, record, &e);
	if (k == NULL) {
		logfmt_write("lifecycle", "hook-failed", "hook", name, "id", id, "why", e.message,
			     LOGFMT_END);
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		supervise(k);
	if (pid > 0)
		(void)launch_wait(pid); /* it leaves the hook to a child, and ends */
	if (pid < 0)
		log_failure(k, -1);
	hook_close(k);
}

/* Run ${k} with a pipe to its standard output, and wait. */
static int
run_and_wait(struct hook *k, char answer[HOOK_ANSWER], struct err *e)
{
	int ends[2], others[2] = {-1, -1};

	if (make_pipe(ends) < 0)
		return err_sys(e, "cannot make a pipe");
	pid_t pid = make_pipe(others) < 0 ? -1 : fork();
	if (pid == 0)
		become(k, ends[1], others[1]);
	file_close(ends[1]);
	file_close(others[1]);
	int status = pid < 0 ? -1 : await_hook(k, pid, ends[0], others[0], answer);
	file_close(ends[0]);
	file_close(others[0]);
	if (status == 0)
		return 1;
	if (status > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1) {
		answer[strcspn(answer, "\r\n")] = '\0';
		return 0;
	}
	log_failure(k, status);
	return err_set(e, ERR_SETUP_FAILED, "the hook did not answer");
}

int
hook_ask(const char *name, const char *id, const char *owner, const json_t *question,
	 char answer[HOOK_ANSWER], struct err *e)
{
	char path[8192];

	answer[0] = '\0';
	if (!find_hook(name, path))
		return 1;
	struct hook *k = prepare_hook(name, path, id, question, e);
	if (k == NULL) {
		logfmt_write("lifecycle", "hook-failed", "hook", name, "id", id, "why", e->message,
			     LOGFMT_END);
		return -1;
	}
	set_variable(k, "AWCP_OWNER", owner);
	int status = run_and_wait(k, answer, e);
	hook_close(k);
	return status;
}
