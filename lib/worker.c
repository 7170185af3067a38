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
#include "job.h"
#include "jsonx.h"
#include "process.h"
#include "queue.h"
#include "watch.h"

#define TRY_AGAIN 75
#define NOT_BEGUN 74  /* exit status of a task's process that could not begin */
#define PAUSE_MS 1000 /* before the next task, when something failed that is not the task's */

struct job {
	pid_t pid;
	struct queue *queue;
	uint64_t number;
	uint32_t attempt;
};

struct worker {
	const struct worker_options *options;
	struct queue *queue[WORKER_QUEUES];
	struct watch *watch[WORKER_QUEUES];
	char name[128]; /* host:pid */
	int signalfd;
	struct job *job; /* tasks that run */
	size_t running;
	int64_t beat_at;    /* clock_steady of the next beat of their claims */
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

	char host[64] = "";

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(w->name, sizeof w->name, "%s:%ld", host, (long)getpid());
	w->job = calloc(w->options->jobs, sizeof *w->job);
	if (w->job == NULL)
		return err_memory(e);
	/* Before the watches: their thread must not be given our signals. */
	if (watch_signals(w, e) < 0 || process_adopt(0, 0, e) < 0)
		return -1;
	for (size_t i = 0; i < w->options->queue_count; i++)
		if ((w->queue[i] = queue_open(w->options->queues[i], true, e)) == NULL ||
		    queue_bell(w->queue[i], path, sizeof path, e) < 0 ||
		    (w->watch[i] = watch_open(path, e)) == NULL)
			return -1;
	return 0;
}

static void
end(struct worker *w)
{
	for (size_t i = 0; i < w->options->queue_count; i++) {
		watch_close(w->watch[i]);
		queue_close(w->queue[i]);
	}
	file_close(w->signalfd);
	free(w->job);
}

/* What the record of the task says of an end. */
static int
let_go(struct queue *q, const struct queue_claim *c, enum task_end end, struct err *e)
{
	const struct queue_outcome o = {.event = end == TASK_OVER ? QUEUE_COMPLETE : QUEUE_RETURN,
					.exit = -1};

	return queue_finish(q, c->number, c->attempt, &o, e);
}

/* Carry out ${c}, and say what became of it. */
static enum task_end
carry_out_task(struct worker *w, struct queue *q, const struct queue_claim *c, pid_t parent)
{
	struct err e;

	if (jsonx_at(c->task, "payload.assignment") == NULL)
		return job_run(&w->options->task, q, c);
	enum task_end end = task_run(&w->options->task, c->task);
	bool died = end == TASK_ORPHANED || end == TASK_DIED;
	/* Of a death nothing is said: whoever takes next sees it. */
	if (!died && (end == TASK_OVER || getppid() == parent) && let_go(q, c, end, &e) < 0 &&
	    e.code != ERR_BAD_STATE)
		report(w, queue_name(q), e.message);
	return end;
}

/* The life of a task's process. */
_Noreturn static void
carry_out(struct worker *w, struct queue *q, struct queue_claim *c, pid_t parent)
{
	enum task_end outcome = TASK_RETURN;
	struct err e;

	file_close(w->signalfd);
	/* When the worker is killed, this process hears of it as if it had been told to stop. */
	/* The claim is durable before anything is done for it: no run is unseen. */
	bool begun = process_adopt(EXECUTION_ORPHAN, parent, &e) == 0 && queue_sync(q, &e) == 0;
	if (begun) {
		outcome = carry_out_task(w, q, c, parent);
	} else {
		report(w, queue_name(q), e.message);
		(void)let_go(q, c, TASK_RETURN, NULL); /* else the lock that goes with us does it */
	}
	_exit(!begun ? NOT_BEGUN : outcome == TASK_LATER || outcome == TASK_DIED ? TRY_AGAIN : 0);
}

/* Take a task from ${q} and begin it: 1, 0 if there is none. */
static int
take(struct worker *w, struct queue *q, struct err *e)
{
	const struct queue_worker self = {.name = w->name, .lease = QUEUE_LEASE_MS, .held = true};
	struct queue_claim c;
	pid_t parent = getpid();

	int status = queue_take(q, &self, &c, NULL, e);
	if (status <= 0)
		return status;
	pid_t pid = fork();
	if (pid == 0)
		carry_out(w, q, &c, parent);
	if (pid < 0) {
		(void)err_sys(e, "cannot start a process for a task");
		(void)let_go(q, &c, TASK_RETURN,
			     NULL); /* else the lock that goes with us does it */
		queue_claim_free(&c);
		return -1;
	}
	w->job[w->running++] = (struct job){pid, q, c.number, c.attempt};
	w->taken++;
	queue_claim_free(&c);
	return 1;
}

/* Say that the tasks which run are alive; one whose claim is lost is stopped. */
static void
beat(struct worker *w)
{
	struct err e;

	if (clock_steady() < w->beat_at)
		return;
	w->beat_at = clock_steady() + QUEUE_LEASE_MS / 3;
	for (size_t i = 0; i < w->running; i++) {
		const struct job *j = &w->job[i];
		if (queue_beat(j->queue, j->number, j->attempt, QUEUE_LEASE_MS, NULL, &e) < 0 &&
		    e.code == ERR_BAD_STATE)
			(void)kill(j->pid, SIGTERM); /* not yet waited for: it is ours */
	}
}

/* Begin as many tasks as may run at once. */
static int
take_all(struct worker *w, struct err *e)
{
	const struct worker_options *o = w->options;
	size_t queue = 0;

	while (queue < o->queue_count && w->running < o->jobs && !(o->once && w->taken > 0)) {
		int status = take(w, w->queue[queue], e);
		if (status < 0)
			return -1;
		if (status == 0)
			queue++;
	}
	return 0;
}

/* Kill what a task's process left to us when it was killed. */
static void
sweep(const struct worker *w)
{
	pid_t keep[WORKER_JOBS];

	for (size_t i = 0; i < w->running; i++)
		keep[i] = w->job[i].pid;
	process_sweep(keep, w->running);
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
		while (i < w->running && w->job[i].pid != pid)
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
		sweep(w);
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
				(void)kill(w->job[i].pid,
					   SIGTERM); /* not yet waited for: it is ours */
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
		beat(w);
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
