#include "worker/execution.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "config/home.h"
#include "config/settings.h"
#include "log/metrics.h"
#include "process/account.h"
#include "process/environment.h"
#include "process/process.h"
#include "process/signals.h"
#include "process/tree.h"
#include "process/usage.h"
#include "state/space.h"
#include "wire/message.h"

#define CHECK_MS 100     /* between two checks of the record; a check is one stat(2) */
#define BUSY_CHECK_MS 20 /* between two checks for signals, where nothing waits for them */

int
execution_begin(struct execution *x, const struct execution_purpose *p, struct err *e)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, EXECUTION_ORPHAN};

	*x = (struct execution){.purpose = *p, .signalfd = -1};
	x->until = clock_steady() + (p->expires - clock_now());
	x->signalfd = signals_watch(signals, sizeof signals / sizeof signals[0], e);
	return x->signalfd < 0 ? -1 : 0;
}

void
execution_end(struct execution *x)
{
	file_close(x->signalfd);
	x->signalfd = -1;
}

/* Check whether there is a reason to stop.  The first one stays, except that a command that is no
 * longer wanted does not get the time that the other reasons leave. */
static void
check_stop(struct execution *x)
{
	struct signalfd_siginfo signal;

	while (read(x->signalfd, &signal, sizeof signal) == sizeof signal) {
		x->orphaned |= signal.ssi_signo == EXECUTION_ORPHAN;
		x->signalled |= signal.ssi_signo != SIGCHLD;
		if (x->signalled && x->stop == EXECUTION_GOES_ON)
			x->stop = EXECUTION_STOPPED;
	}
	int64_t waited = x->purpose.patient ? x->waited + ask_socket_waited(x->questions) : 0;
	if (x->stop == EXECUTION_GOES_ON && x->purpose.expires != 0 &&
	    (clock_now() >= x->purpose.expires + waited || clock_steady() >= x->until + waited))
		x->stop = EXECUTION_EXPIRED;
	if (x->stop == EXECUTION_OVERTAKEN || clock_steady() < x->check_at)
		return;
	x->check_at = clock_steady() + CHECK_MS;
	if (!x->purpose.wanted(x->purpose.arg))
		x->stop = EXECUTION_OVERTAKEN;
}

/* Wait ${ms}, or with ${rest} until the worker is signalled, else until there is any reason to
 * stop.
 */
static void
wait_unless(struct execution *x, int64_t ms, bool rest)
{
	struct pollfd p = {.fd = x->signalfd, .events = POLLIN};
	int64_t until = clock_steady() + ms, left;

	check_stop(x);
	while ((rest ? !x->signalled : x->stop == EXECUTION_GOES_ON) &&
	       (left = until - clock_steady()) > 0) {
		(void)poll(&p, 1, left < CHECK_MS ? (int)left : CHECK_MS);
		check_stop(x);
	}
}

enum execution_stop
execution_pause(struct execution *x, int64_t ms)
{
	wait_unless(x, ms, false);
	return x->stop;
}

void
execution_rest(struct execution *x, int64_t ms)
{
	wait_unless(x, ms, true);
}

/* Called very often. */
static bool
goes_on(void *arg)
{
	struct execution *x = arg;

	if (clock_steady() >= x->busy_check_at) {
		x->busy_check_at = clock_steady() + BUSY_CHECK_MS;
		check_stop(x);
	}
	return x->stop == EXECUTION_GOES_ON;
}

struct interrupt
execution_interrupt(struct execution *x)
{
	return (struct interrupt){goes_on, x};
}

/* What belongs to a command that runs, beside its processes. */
struct fence {
	const char *writable[3]; /* directories, NULL-terminated */
	int infofd;              /* where the sandbox reports its first process, */
	int filterfd;            /* where it finds the filter of system calls, */
	int listfd;              /* and the list of accounts; -1: there is none */
	struct cgroup group;
	struct usage usage;
};

static void
fence_close(struct fence *f)
{
	cgroup_close(&f->group);
	file_close(f->infofd);
	file_close(f->filterfd);
	file_close(f->listfd);
}

static int
fence_open(struct fence *f, const struct execution_command *c, struct err *e)
{
	uid_t account = c->workspace->account;

	*f = (struct fence){.writable = {c->workspace->path, c->workspace->report},
			    .infofd = -1,
			    .filterfd = -1,
			    .listfd = -1};
	cgroup_open(&f->group, c->sandbox);
	usage_begin(&f->usage, c->sandbox, &f->group, f->writable);
	if (c->sandbox->kind == SANDBOX_NONE)
		return 0;
	f->filterfd = sandbox_filter(c->sandbox, f->group.memory < 0, e);
	if (f->filterfd < 0 || (account != 0 && (f->listfd = account_list(account, e)) < 0))
		goto out;
	f->infofd = memfd_create("sandbox", MFD_CLOEXEC);
	if (f->infofd >= 0)
		return 0;
	err_sys(e, "cannot follow the sandbox");
out:
	fence_close(f);
	return -1;
}

/* Our variables for the command, NULL-terminated; each to be given to free(3), also on failure. */
static int
make_variables(const struct execution *x, const struct workspace *w, char *own[7], struct err *e)
{
	char description[MESSAGE_DESCRIPTION + 1];

	memset(own, 0, 7 * sizeof *own);
	/* A peer's may be longer than an environment takes. */
	(void)snprintf(description, sizeof description, "%s", x->purpose.description);
	(void)text_trim(description, strlen(description));
	if (asprintf(&own[0], "AWCP_ID=%s", x->purpose.id) < 0 ||
	    asprintf(&own[1], "AWCP_WORKSPACE=%s", w->path) < 0 ||
	    asprintf(&own[2], "AWCP_DESCRIPTION=%s", description) < 0 ||
	    asprintf(&own[3], "AWCP_RESULT=%s", w->result) < 0 ||
	    asprintf(&own[4], "AWCP_ASK=%s/" ASK_SOCKET_NAME, w->report) < 0 ||
	    (x->purpose.session != NULL &&
	     asprintf(&own[5], "AWCP_SESSION=%s", x->purpose.session) < 0))
		return err_memory(e);
	return 0;
}

/* Start the command with ${promptfd} as its stdin. */
static int
start_command(const struct execution *x, const struct execution_command *c, int promptfd,
	      const struct fence *f, struct process *p, struct err *e)
{
	const struct workspace *w = c->workspace;
	const bool fenced = c->sandbox->kind != SANDBOX_NONE;
	const int kept[] = {f->infofd, f->filterfd, f->listfd, -1};
	struct sandbox_paths paths = {.cwd = w->cwd,
				      .writable = f->writable,
				      .account = w->account,
				      .infofd = f->infofd,
				      .listfd = f->listfd,
				      .filterfd = f->filterfd};
	char *own[7], **environment = NULL, **command = NULL;
	int status = -1;

	const char **readonly = workspace_readonly(w, e);
	if (readonly == NULL)
		return -1;
	paths.readonly = readonly;
	if (make_variables(x, w, own, e) < 0 ||
	    (environment = environment_make(own, setting_text(SETTING_TASK_ENV), !fenced, e)) ==
		NULL ||
	    (command = sandbox_command(c->sandbox, &paths, c->argv, e)) == NULL)
		goto out;
	const struct process_spec spec = {.argv = command,
					  .envp = environment,
					  .cwd = w->cwd,
					  .stdinfd = promptfd,
					  .keepfds = kept,
					  .groupfds = f->group.joinfd,
					  .own_keyring = fenced};
	status = process_start(&spec, p, e);
out:
	sandbox_free(command);
	free(environment);
	for (size_t i = 0; i < 6; i++)
		free(own[i]);
	free(readonly);
	return status;
}

/* Ask all processes of the command to end.  The sandbox's own process would take TERM for itself
 * and kill all that is inside at once, so only those inside are asked, and without a sandbox all
 * that came of us. */
static void
ask_to_end(const struct process *p, int infofd)
{
	char text[512];
	int64_t first = 0;

	if (infofd < 0) {
		process_tree_signal(getpid(), SIGTERM);
		return;
	}
	ssize_t n = pread(infofd, text, sizeof text, 0);
	if (n > 0) {
		json_t *info = jsonx_parse(text, (size_t)n, NULL);
		first = jsonx_number(info, "child-pid", 0);
		json_decref(info);
	}
	if (first > 1)
		process_tree_signal((pid_t)first, SIGTERM);
	else
		process_signal(p, SIGTERM); /* nothing runs in it yet */
}

/* Read a piece of output from ${fd}: 1, 0 if there is nothing now, -1 at its end. */
static int
read_output(int fd, enum output_stream from, struct output *out)
{
	char piece[16384];

	ssize_t n = read(fd, piece, sizeof piece);
	if (n > 0 && output_log(out) >= 0 && space_for(output_log(out), (uint64_t)n, 0, NULL) < 0)
		output_cut(out, "the disk is nearly full");
	if (n > 0)
		output_add(out, from, piece, (size_t)n);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n > 0 ? 1 : -1;
}

/* Read all that is left, when nobody writes any more. */
static void
drain_output(int fd, enum output_stream from, struct output *out)
{
	while (read_output(fd, from, out) > 0)
		;
}

/* Send the progress that is due; returns how many ms to wait for more. */
static int
send_progress(const struct execution *x, struct output *out, int64_t now)
{
	int wait;

	const char *text = output_progress(out, now, &wait);
	if (text != NULL)
		/* A line that cannot be sent is no reason to fail; being overtaken shows in
		 * check_stop(). */
		x->purpose.progress(x->purpose.arg, text);
	return wait;
}

static void
check_usage(struct execution *x, struct usage *m, bool last)
{
	if (x->stop == EXECUTION_GOES_ON && usage_check(m, getpid(), last, &x->exceeded) < 0)
		x->stop = EXECUTION_EXCEEDED;
}

static int64_t
grace(const struct execution *x)
{
	bool hurry = x->stop == EXECUTION_OVERTAKEN || x->stop == EXECUTION_EXCEEDED;

	return hurry ? EXECUTION_CANCEL_MS : EXECUTION_GRACE_MS;
}

/* Attend to the command until it has ended, or has been made to. */
static void
attend(struct execution *x, struct process *p, struct fence *f, struct output *out)
{
	struct pollfd fds[3 + ASK_SOCKET_FDS] = {{.fd = x->signalfd, .events = POLLIN},
						 {.fd = p->outputfd, .events = POLLIN},
						 {.fd = p->errorfd, .events = POLLIN}};
	int64_t asked = 0; /* clock_steady: when it was asked to end */

	while (!process_ended(p)) {
		int wait = send_progress(x, out, clock_steady());
		size_t n = ask_socket_poll(x->questions, fds + 3);
		(void)poll(fds, 3 + n, wait >= 0 && wait < CHECK_MS ? wait : CHECK_MS);
		for (int i = 1; i <= 2; i++)
			if (fds[i].revents != 0 &&
			    read_output(fds[i].fd, i == 1 ? OUTPUT_STDOUT : OUTPUT_STDERR, out) < 0)
				fds[i].fd = -1;
		ask_socket_serve(x->questions, fds + 3, n);
		check_stop(x);
		check_usage(x, &f->usage, false);
		if (x->stop == EXECUTION_GOES_ON)
			continue;
		if (asked == 0) {
			asked = clock_steady();
			ask_to_end(p, f->infofd);
		} else if (clock_steady() >= asked + grace(x)) {
			process_signal(p, SIGKILL);
		}
	}
	process_sweep(NULL, 0);
	check_usage(x, &f->usage, true);
	drain_output(p->outputfd, OUTPUT_STDOUT, out);
	drain_output(p->errorfd, OUTPUT_STDERR, out);
	output_end(out);
	send_progress(x, out, INT64_MAX);
}

int
execution_run(struct execution *x, const struct execution_command *c, struct output *out,
	      int *status, struct err *e)
{
	struct process p;
	struct fence f;
	int result = -1;
	int64_t began = clock_steady();

	if (fence_open(&f, c, e) < 0)
		return -1;
	int promptfd = file_in_memory(x->purpose.prompt, strlen(x->purpose.prompt), e);
	if (promptfd < 0)
		goto out;
	x->questions =
	    ask_socket_open(&x->purpose.asker, c->workspace->report, c->workspace->account, e);
	if (x->questions == NULL)
		goto out;
	if (start_command(x, c, promptfd, &f, &p, e) == 0) {
		attend(x, &p, &f, out);
		file_close(p.outputfd);
		file_close(p.errorfd);
		*status = p.status;
		result = 0;
	}
	x->took = clock_steady() - began;
	metrics_observe(METRIC_RUN, x->took);
	/* Whoever reads it moves the offset of our descriptor, too. */
	x->prompted = x->purpose.prompt[0] == '\0' || lseek(promptfd, 0, SEEK_CUR) > 0;
	x->waited += ask_socket_waited(x->questions);
	ask_socket_close(x->questions);
	x->questions = NULL;
out:
	file_close(promptfd);
	fence_close(&f);
	return result;
}

int
execution_clear(const char *directory, struct err *e)
{
	int killed = -1;
	char *mark;

	char *home = realpath(home_path(), NULL);
	if (home == NULL)
		return err_sys(e, "cannot resolve %s", home_path());
	if (asprintf(&mark, "AWCP_WORKSPACE=%s/%s/work", home, directory) < 0) {
		err_memory(e);
	} else {
		killed = process_hunt(mark, e);
		free(mark);
	}
	free(home);
	return killed < 0 ? -1 : 0;
}
