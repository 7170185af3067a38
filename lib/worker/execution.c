#include "worker/execution.h"

#include <errno.h>
#include <fcntl.h>
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
#include "process/usage.h"
#include "log/metrics.h"
#include "process/process.h"
#include "process/signals.h"
#include "process/tree.h"
#include "state/room.h"
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

/* Wait ${ms}, as long as ${goes_on} says so. */
static void
wait_while(struct execution *x, int64_t ms, bool (*goes_on)(const struct execution *x))
{
	struct pollfd p = {.fd = x->signalfd, .events = POLLIN};
	int64_t until = clock_steady() + ms, left;

	check_stop(x);
	while (goes_on(x) && (left = until - clock_steady()) > 0) {
		(void)poll(&p, 1, left < CHECK_MS ? (int)left : CHECK_MS);
		check_stop(x);
	}
}

static bool
has_no_reason_to_stop(const struct execution *x)
{
	return x->stop == EXECUTION_GOES_ON;
}

static bool
has_a_worker(const struct execution *x)
{
	return !x->signalled;
}

enum execution_stop
execution_pause(struct execution *x, int64_t ms)
{
	wait_while(x, ms, has_no_reason_to_stop);
	return x->stop;
}

void
execution_rest(struct execution *x, int64_t ms)
{
	wait_while(x, ms, has_a_worker);
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

/* The environment of the command.  ${own} are our variables, NULL-terminated; free(3) the list. */
static char **
make_environment(char *const *own, const struct sandbox *sandbox, struct err *e)
{
	size_t n = 0, cap = 1;

	for (char **p = environ; *p != NULL; p++)
		cap++;
	for (char *const *p = own; *p != NULL; p++)
		cap++;
	char **list = calloc(cap, sizeof *list);
	if (list == NULL) {
		err_memory(e);
		return NULL;
	}
	for (char **p = environ; *p != NULL; p++) {
		/* In the sandbox /tmp is the one place for temporary files. */
		bool moved = sandbox->kind != SANDBOX_NONE && strncmp(*p, "TMPDIR=", 7) == 0;
		if (strncmp(*p, "AWCP_", 5) != 0 && !moved)
			list[n++] = *p;
	}
	for (char *const *p = own; *p != NULL; p++)
		list[n++] = *p;
	return list;
}

/* Start the command with ${promptfd} as its stdin; ${infofd} is where the sandbox reports its first
 * process. */
static int
start_command(const struct execution *x, const struct execution_command *c, int promptfd,
	      int infofd, struct process *p, struct err *e)
{
	const struct workspace *w = c->workspace;
	const char *const writable[] = {w->path, w->report, NULL};
	struct sandbox_paths paths = {.cwd = w->cwd, .writable = writable, .infofd = infofd};
	char description[MESSAGE_DESCRIPTION + 1];
	char *own[7] = {NULL}, **environment = NULL, **command = NULL;
	int status = -1;

	const char **readonly = workspace_readonly(w, e);
	if (readonly == NULL)
		return -1;
	paths.readonly = readonly;
	/* A peer's may be longer than an environment takes. */
	(void)snprintf(description, sizeof description, "%s", x->purpose.description);
	(void)text_trim(description, strlen(description));
	if (asprintf(&own[0], "AWCP_ID=%s", x->purpose.id) < 0 ||
	    asprintf(&own[1], "AWCP_WORKSPACE=%s", w->path) < 0 ||
	    asprintf(&own[2], "AWCP_DESCRIPTION=%s", description) < 0 ||
	    asprintf(&own[3], "AWCP_RESULT=%s", w->result) < 0 ||
	    asprintf(&own[4], "AWCP_ASK=%s/" ASK_SOCKET_NAME, w->report) < 0 ||
	    (x->purpose.session != NULL &&
	     asprintf(&own[5], "AWCP_SESSION=%s", x->purpose.session) < 0)) {
		err_memory(e);
		goto out;
	}
	if ((environment = make_environment(own, c->sandbox, e)) == NULL ||
	    (command = sandbox_command(c->sandbox, &paths, c->argv, e)) == NULL)
		goto out;
	const struct process_spec spec = {.argv = command,
					  .envp = environment,
					  .cwd = w->cwd,
					  .stdinfd = promptfd,
					  .keepfd = infofd};
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
	if (n > 0 && output_log(out) >= 0 && room_for(output_log(out), (uint64_t)n, 0, NULL) < 0)
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

/* Check whether the command uses too much, and whether there is another reason to stop. */
static void
check_all(struct execution *x, struct usage *m)
{
	check_stop(x);
	if (x->stop == EXECUTION_GOES_ON && usage_check(m, getpid(), &x->exceeded) < 0)
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
attend(struct execution *x, struct process *p, int infofd, struct usage *m, struct output *out)
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
		check_all(x, m);
		if (x->stop == EXECUTION_GOES_ON)
			continue;
		if (asked == 0) {
			asked = clock_steady();
			ask_to_end(p, infofd);
		} else if (clock_steady() >= asked + grace(x)) {
			process_signal(p, SIGKILL);
		}
	}
	process_sweep(NULL, 0);
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
	struct usage m;
	int infofd = -1, result = -1;
	int64_t began = clock_steady();

	usage_begin(&m, c->sandbox, c->workspace->path);
	int promptfd = file_of_text(x->purpose.prompt, e);
	if (promptfd < 0)
		return -1;
	x->questions = ask_socket_open(&x->purpose.asker, c->workspace->report, e);
	if (x->questions == NULL) {
		file_close(promptfd);
		return -1;
	}
	if (c->sandbox->kind == SANDBOX_BWRAP &&
	    (infofd = memfd_create("sandbox", MFD_CLOEXEC)) < 0) {
		err_sys(e, "cannot follow the sandbox");
	} else if (start_command(x, c, promptfd, infofd, &p, e) == 0) {
		attend(x, &p, infofd, &m, out);
		file_close(p.outputfd);
		file_close(p.errorfd);
		*status = p.status;
		result = 0;
	}
	x->took = clock_steady() - began;
	metrics_observe(METRIC_RUN, x->took);
	/* Whoever reads it moves the offset of our descriptor, too. */
	x->prompted = x->purpose.prompt[0] == '\0' || lseek(promptfd, 0, SEEK_CUR) > 0;
	file_close(promptfd);
	x->waited += ask_socket_waited(x->questions);
	ask_socket_close(x->questions);
	x->questions = NULL;
	file_close(infofd);
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
