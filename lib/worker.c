#include "worker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "execution.h"
#include "file.h"
#include "jsonx.h"
#include "process.h"
#include "queue.h"
#include "watch.h"

#define TRY_AGAIN 75
#define NOT_BEGUN 74  /* exit status of a task's process that could not begin */
#define PAUSE_MS 1000 /* before the next task, when something failed that is not the task's */

struct worker {
	const struct worker_options *options;
	struct watch *watch[WORKER_QUEUES];
	int signalfd;
	pid_t *job; /* of tasks that run */
	size_t running;
	size_t taken;       /* tasks, since the start */
	bool stopping;      /* a signal said so */
	bool try_again;     /* the last task that ended is to be run later */
	int64_t not_before; /* clock_steady before which no task is taken */
};

static void
report(const struct worker *w, const char *what, const char *text)
{
	if (w->options->task.report != NULL)
		w->options->task.report(w->options->task.report_arg, true, what, text);
}

static int
watch_signals(struct worker *w, struct err *e)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigaddset(&signals, EXECUTION_ORPHAN); /* for our children, who inherit the mask */
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return err_sys(e, "cannot block signals");
	w->signalfd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	return w->signalfd < 0 ? err_sys(e, "cannot wait for signals") : 0;
}

static int
begin(struct worker *w, struct err *e)
{
	char path[PATH_MAX];

	w->job = calloc(w->options->jobs, sizeof *w->job);
	if (w->job == NULL)
		return err_memory(e);
	/* Before the watches: their thread must not be given our signals. */
	if (watch_signals(w, e) < 0 || process_adopt(0, 0, e) < 0)
		return -1;
	for (size_t i = 0; i < w->options->queue_count; i++)
		if (queue_path(w->options->queues[i], path, sizeof path, e) < 0 ||
		    (w->watch[i] = watch_open(path, e)) == NULL)
			return -1;
	return 0;
}

static void
end(struct worker *w)
{
	for (size_t i = 0; i < w->options->queue_count; i++)
		watch_close(w->watch[i]);
	file_close(w->signalfd);
	free(w->job);
}

/* The life of a task's process. */
_Noreturn static void
carry_out(struct worker *w, const char *queue, struct queue_task *t, pid_t parent)
{
	enum task_end outcome = TASK_RETURN;
	struct err e;

	file_close(w->signalfd);
	/* When the worker is killed, this process hears of it as if it had been told to stop. */
	bool begun =
	    process_adopt(EXECUTION_ORPHAN, parent, &e) == 0 && queue_begin(queue, t, &e) == 0;
	if (begun)
		outcome = task_run(&w->options->task, t->json);
	else
		report(w, t->name, e.message);
	int status = 0;
	if (outcome == TASK_OVER)
		status = queue_done(queue, t, &e);
	else if (outcome != TASK_ORPHANED && outcome != TASK_DIED && getppid() == parent)
		status = queue_return(queue, t, &e);
	else
		queue_drop(t); /* whoever takes it next sees that a worker died */
	if (status < 0)
		report(w, queue, e.message);
	_exit(!begun ? NOT_BEGUN : outcome == TASK_LATER || outcome == TASK_DIED ? TRY_AGAIN : 0);
}

/* Take a task from ${queue} and begin it: 1, 0 if there is none. */
static int
take(struct worker *w, const char *queue, struct err *e)
{
	struct queue_task t;
	pid_t self = getpid();

	int status = queue_take(queue, &t, e);
	if (status <= 0)
		return status;
	pid_t pid = fork();
	if (pid == 0)
		carry_out(w, queue, &t, self);
	if (pid < 0) {
		(void)err_sys(e, "cannot start a process for a task");
		(void)queue_return(queue, &t, NULL); /* else the lock that goes with us does it */
		return -1;
	}
	file_close(t.fd);
	json_decref(t.json);
	w->job[w->running++] = pid;
	w->taken++;
	return 1;
}

/* Begin as many tasks as may run at once. */
static int
take_all(struct worker *w, struct err *e)
{
	const struct worker_options *o = w->options;
	size_t queue = 0;

	while (queue < o->queue_count && w->running < o->jobs && !(o->once && w->taken > 0)) {
		int status = take(w, o->queues[queue], e);
		if (status < 0)
			return -1;
		if (status == 0)
			queue++;
	}
	return 0;
}

/* See which tasks have ended. */
static void
reap(struct worker *w)
{
	char text[64];
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		size_t i = 0;
		while (i < w->running && w->job[i] != pid)
			i++;
		if (i == w->running)
			continue; /* an orphan that was left to us */
		w->job[i] = w->job[--w->running];
		w->try_again = WIFEXITED(status) && WEXITSTATUS(status) != 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_BEGUN)
			w->not_before = clock_steady() + PAUSE_MS;
		if (WIFEXITED(status))
			continue;
		/* What it had running is ours now.  The task is taken again. */
		(void)snprintf(text, sizeof text, "the process of a task was killed by signal %d",
			       WTERMSIG(status));
		report(w, "worker", text);
		process_sweep(w->job, w->running);
		w->not_before = clock_steady() + PAUSE_MS;
		w->try_again = true;
	}
}

static void
take_signals(struct worker *w)
{
	struct signalfd_siginfo signal;

	while (read(w->signalfd, &signal, sizeof signal) == sizeof signal)
		if (signal.ssi_signo != SIGCHLD && !w->stopping) {
			w->stopping = true;
			for (size_t i = 0; i < w->running; i++)
				(void)kill(w->job[i], SIGTERM); /* not yet waited for: it is ours */
		}
}

/* Wait until something happens, or it is time to look. */
static void
wait_for_change(struct worker *w)
{
	struct pollfd fds[WORKER_QUEUES + 1] = {{.fd = w->signalfd, .events = POLLIN}};
	size_t n = w->options->queue_count;

	for (size_t i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){.fd = watch_fd(w->watch[i]), .events = POLLIN};
	(void)poll(fds, n + 1, WATCH_POLL_MS);
	for (size_t i = 0; i < n; i++)
		if (fds[i + 1].revents != 0)
			(void)watch_wait(w->watch[i], -1, 0); /* only to note that we know */
	take_signals(w);
}

/* Take tasks and see them end; 0 when that was all. */
static int
work(struct worker *w, struct err *e)
{
	const struct worker_options *o = w->options;

	for (;;) {
		reap(w);
		bool enough = w->stopping || (o->once && w->taken > 0);
		if (enough && w->running == 0)
			break;
		if (!enough && clock_steady() >= w->not_before && take_all(w, e) < 0) {
			if (o->once)
				return -1;
			report(w, "worker", e->message);
			w->not_before = clock_steady() + PAUSE_MS;
		}
		if (o->once && w->taken == 0)
			return err_set(e, ERR_BUSY, "no task is waiting");
		wait_for_change(w);
	}
	if (o->once && w->try_again)
		return err_set(e, ERR_BUSY, "the task was handed back, to be run again");
	return 0;
}

int
worker_run(const struct worker_options *o, struct err *e)
{
	struct worker w = {.options = o, .signalfd = -1};
	int status = -1;

	if (begin(&w, e) == 0)
		status = work(&w, e);
	end(&w);
	return status;
}
