#include "worker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "execution.h"
#include "file.h"
#include "guard.h"
#include "job.h"
#include "jsonx.h"
#include "process.h"
#include "queue.h"
#include "verdict.h"
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
	char name[96]; /* host:pid */
	int signalfd;
	struct job *job; /* tasks that run */
	size_t running;
	int64_t beat_at;      /* clock_steady of the next beat of their claims */
	size_t taken;         /* tasks, since the start */
	bool stopping;        /* a signal said so: take no more */
	bool giving_back;     /* and hand back what runs */
	int64_t give_back_at; /* clock_steady, while stopping: when that begins */
	char held[256];       /* what a guard held back when tasks were last looked for, or "" */
	int64_t told[WORKER_QUEUES + PROFILES]; /* until when that is, where it was reported */
	bool try_again;                         /* the last task that ended is to be run later */
	int64_t not_before;                     /* clock_steady before which no task is taken */
};

static void __attribute__((format(printf, 4, 5)))
report(const struct worker *w, bool trouble, const char *what, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (w->options->task.report != NULL)
		w->options->task.report(w->options->task.report_arg, trouble, what, text);
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
open_queue(struct worker *w, size_t i, struct err *e)
{
	char path[PATH_MAX];

	w->queue[i] = queue_open(w->options->queues[i], true, e);
	if (w->queue[i] == NULL || queue_bell(w->queue[i], path, sizeof path, e) < 0 ||
	    (w->watch[i] = watch_open(path, e)) == NULL)
		return -1;
	if (w->options->own_recovery)
		queue_set_recovery(w->queue[i], w->options->task.recovery);
	return 0;
}

static int
begin(struct worker *w, struct err *e)
{
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
		if (open_queue(w, i, e) < 0)
			return -1;
	struct err why;
	if (profiles_note(w->options->task.profiles, &why) < 0) /* it is only a note */
		report(w, true, "profiles", "%s", why.message);
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

/* What the record of the task says of an end; ${pause}: TASK_LIMITED for so many ms. */
static int
let_go(struct queue *q, const struct queue_claim *c, enum task_end end, int64_t pause,
       struct err *e)
{
	struct queue_outcome o = {.event = QUEUE_RETURN, .exit = -1, .pause = pause};

	if (end == TASK_OVER)
		o.event = QUEUE_COMPLETE;
	if (end == TASK_LIMITED) {
		o.event = QUEUE_LIMIT;
		o.message = "its profile has had enough for now";
	}
	return queue_finish(q, c->number, c->attempt, &o, e);
}

/* Carry out ${c} with ${p}, and say what became of it. */
static enum task_end
carry_out_task(struct worker *w, struct queue *q, const struct queue_claim *c,
	       const struct profile *p, pid_t parent)
{
	struct task_options o = w->options->task;
	struct err e;

	o.profile = p;
	o.recovery = queue_recovery(q);
	if (jsonx_at(c->task, "payload.assignment") == NULL)
		return job_run(&o, q, c);
	enum task_end end = task_run(&o, q, c);
	bool died = end == TASK_ORPHANED || end == TASK_DIED;
	int64_t pause = end == TASK_LIMITED ? verdict_pause(&o, c->task) : 0;
	/* Of a death nothing is said: whoever takes next sees it. */
	if (!died && (end == TASK_OVER || getppid() == parent) &&
	    let_go(q, c, end, pause, &e) < 0 && e.code != ERR_BAD_STATE)
		report(w, true, queue_name(q), "%s", e.message);
	return end;
}

/* The life of a task's process. */
_Noreturn static void
carry_out(struct worker *w, struct queue *q, struct queue_claim *c, const struct profile *p,
	  pid_t parent)
{
	enum task_end outcome = TASK_RETURN;
	struct err e;

	file_close(w->signalfd);
	/* What a terminal sends to all that run in front is for the worker alone.  Our notes may be
	 * written to it all the same. */
	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	/* When the worker is killed, this process hears of it as if it had been told to stop. */
	/* The claim is durable before anything is done for it: no run is unseen. */
	bool begun = process_adopt(EXECUTION_ORPHAN, parent, &e) == 0 && queue_sync(q, &e) == 0;
	if (begun) {
		outcome = carry_out_task(w, q, c, p, parent);
	} else {
		report(w, true, queue_name(q), "%s", e.message);
		(void)let_go(q, c, TASK_RETURN, 0,
			     NULL); /* else the lock that goes with us does it */
	}
	bool again = outcome == TASK_LATER || outcome == TASK_LIMITED || outcome == TASK_DIED;
	_exit(!begun ? NOT_BEGUN : again ? TRY_AGAIN : 0);
}

/* Take a task from ${q} for ${p} and begin it: 1, 0 if there is none. */
static int
take(struct worker *w, struct queue *q, const struct profile *p, struct err *e)
{
	char name[sizeof w->name + PROFILE_NAME + 2];
	const struct queue_worker self = {
	    .name = name, .lease = QUEUE_LEASE_MS, .held = true, .capabilities = p->capabilities};
	struct queue_claim c;
	pid_t parent = getpid();

	(void)snprintf(name, sizeof name, "%s/%s", w->name, p->name);
	int status = queue_take(q, &self, &c, NULL, e);
	if (status <= 0)
		return status;
	pid_t pid = fork();
	if (pid == 0)
		carry_out(w, q, &c, p, parent);
	if (pid < 0) {
		(void)err_sys(e, "cannot start a process for a task");
		(void)let_go(q, &c, TASK_RETURN, 0,
			     NULL); /* else the lock that goes with us does it */
		queue_claim_free(&c);
		return -1;
	}
	w->job[w->running++] = (struct job){pid, q, c.number, c.attempt};
	w->taken++;
	queue_claim_free(&c);
	return 1;
}

/* Does the guard of ${name} let it be used?  1, 0 if not, which is told once in *${told}, or -1. */
static int
is_free(struct worker *w, enum guard_kind kind, const char *name, int64_t *told, struct err *e)
{
	char until[CLOCK_TEXT];
	struct guard g;

	if (guard_look(kind, name, &g, e) < 0)
		return -1;
	if (g.until == 0)
		return 1;
	(void)snprintf(w->held, sizeof w->held, "%s %.64s %s until %s: %.120s",
		       guard_kind_name(kind), name, g.stopped ? "is stopped" : "cools down",
		       clock_format(g.until, until), g.why);
	if (*told != g.until)
		report(w, g.stopped && w->taken == 0, "worker", "%s", w->held);
	*told = g.until;
	return 0;
}

static bool
has_room(const struct worker *w)
{
	return w->running < w->options->jobs && !(w->options->once && w->taken > 0);
}

/* Begin what may be begun of ${q} with profile ${k}. */
static int
take_for(struct worker *w, struct queue *q, size_t k, struct err *e)
{
	const struct profile *p = &w->options->task.profiles->profile[k];
	int status = is_free(w, GUARD_PROFILE, p->name, &w->told[WORKER_QUEUES + k], e);

	while (status == 1 && has_room(w))
		status = take(w, q, p, e);
	return status < 0 ? -1 : 0;
}

/* Begin as many tasks as may run at once. */
static int
take_all(struct worker *w, struct err *e)
{
	const struct worker_options *o = w->options;

	w->held[0] = '\0';
	for (size_t i = 0; i < o->queue_count && has_room(w); i++) {
		int status = is_free(w, GUARD_QUEUE, o->queues[i], &w->told[i], e);
		for (size_t k = 0; status == 1 && k < o->task.profiles->count && has_room(w); k++)
			if (take_for(w, w->queue[i], k, e) < 0)
				return -1;
		if (status < 0)
			return -1;
	}
	return 0;
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

/* Kill what a task's process left to us when it was killed. */
static void
sweep(const struct worker *w)
{
	pid_t keep[WORKER_JOBS];

	for (size_t i = 0; i < w->running; i++)
		keep[i] = w->job[i].pid;
	process_sweep(keep, w->running);
}

/* The process of a task of ${q} died. */
static void
died(struct worker *w, const struct queue *q, int signal)
{
	const struct guard_rule *rule = &w->options->task.profiles->rule;
	char why[64];
	bool stopped;
	struct err e;

	(void)snprintf(why, sizeof why, "the process of a task was killed by signal %d", signal);
	report(w, true, "worker", "%s", why);
	if (guard_died(GUARD_QUEUE, queue_name(q), rule, why, &stopped, &e) < 0)
		report(w, true, "worker", "%s", e.message);
	else if (stopped)
		report(
		    w, true, queue_name(q),
		    "that was so %u times within %lld s; nothing is taken from this queue for as "
		    "long; awcp-run --clear %s lets it go on",
		    rule->deaths, (long long)rule->window / 1000, queue_name(q));
	/* What it had running is ours now.  The task is taken again. */
	sweep(w);
	w->not_before = clock_steady() + PAUSE_MS;
	w->try_again = true;
}

/* See which tasks have ended. */
static void
reap(struct worker *w)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		size_t i = 0;
		while (i < w->running && w->job[i].pid != pid)
			i++;
		if (i == w->running)
			continue; /* an orphan that was left to us */
		const struct queue *q = w->job[i].queue;
		w->job[i] = w->job[--w->running];
		w->try_again = WIFEXITED(status) && WEXITSTATUS(status) != 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_BEGUN)
			w->not_before = clock_steady() + PAUSE_MS;
		if (WIFSIGNALED(status))
			died(w, q, WTERMSIG(status));
		else
			(void)guard_well(GUARD_QUEUE, queue_name(q),
					 NULL); /* if not, it is stopped */
	}
}

static void
give_back(struct worker *w)
{
	w->giving_back = true;
	for (size_t i = 0; i < w->running; i++)
		(void)kill(w->job[i].pid, SIGTERM); /* not yet waited for: it is ours */
}

static void
take_signals(struct worker *w)
{
	struct signalfd_siginfo signal;

	while (read(w->signalfd, &signal, sizeof signal) == sizeof signal) {
		if (signal.ssi_signo == SIGCHLD)
			continue;
		if (w->stopping) {
			w->give_back_at = 0;
			continue;
		}
		w->stopping = true;
		w->give_back_at = clock_steady() + w->options->grace;
		if (w->running > 0 && w->options->grace > 0)
			report(w, true, "worker",
			       "stopping; what runs may go on for %lld s, a second signal hands it "
			       "back at once",
			       (long long)w->options->grace / 1000);
	}
	if (w->stopping && !w->giving_back && clock_steady() >= w->give_back_at)
		give_back(w);
}

/* Wait until something happens, or it is time to look. */
static void
wait_for_change(struct worker *w)
{
	struct pollfd fds[WORKER_QUEUES + 1] = {{.fd = w->signalfd, .events = POLLIN}};
	size_t n = w->options->queue_count;
	int64_t left = WATCH_POLL_MS;

	for (size_t i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){.fd = watch_fd(w->watch[i]), .events = POLLIN};
	if (w->stopping && !w->giving_back && w->give_back_at - clock_steady() < left)
		left = w->give_back_at - clock_steady();
	(void)poll(fds, n + 1, left > 0 ? (int)left : 0);
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
			report(w, true, "worker", "%s", e->message);
			w->not_before = clock_steady() + PAUSE_MS;
		}
		if (o->once && w->taken == 0) {
			(void)err_set(e, ERR_BUSY, "no task is waiting");
			return w->held[0] == '\0' ? -1 : err_hint(e, "%s", w->held);
		}
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
