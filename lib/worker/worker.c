#include "worker/worker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "state/breaker.h"
#include "state/space.h"
#include "process/process.h"
#include "process/signals.h"
#include "worker/runner.h"
#include "worker/supply.h"
#include "worker/outcome.h"

#define PAUSE_MS 1000 /* before the next task, when something failed that is not the task's */

struct worker {
	const struct worker_options *options;
	struct supply supply[WORKER_QUEUES];
	char name[96]; /* host:pid */
	pid_t pid;
	int signalfd;
	struct runners runners; /* what runs */
	int64_t beat_at;        /* clock_steady of the next beat of their claims */
	size_t taken;           /* tasks, since the start */
	bool stopping;          /* a signal said so: take no more */
	bool giving_back;       /* and hand back what runs */
	int64_t give_back_at;   /* clock_steady, while stopping: when that begins */
	char held[256]; /* what a breaker held back when tasks were last looked for, or "" */
	int64_t reported_until[WORKER_QUEUES + PROFILES]; /* as they are held back */
	bool try_again;     /* the last task that ended is to be run later */
	int64_t not_before; /* clock_steady before which no task is taken */
};

static int
open_supply(struct worker *w, struct supply *s, struct err *e)
{
	return supply_open(s, w->options->own_recovery ? &w->options->task.recovery : NULL, e);
}

/* The others go on without it. */
static void
note_failure(struct worker *w, struct supply *s, const struct err *why)
{
	if (supply_failed(s))
		task_report(&w->options->task, true, s->name, "%s", why->message);
}

/* Open all queues; one that is sound is enough. */
static int
open_supplys(struct worker *w, struct err *e)
{
	size_t opened = 0, count = w->options->queue_count;

	for (size_t i = 0; i < count; i++) {
		struct supply *s = &w->supply[i];
		s->name = w->options->queues[i];
		if (open_supply(w, s, e) == 0)
			opened++;
		else if (count > 1)
			note_failure(w, s, e);
	}
	return opened > 0 ? 0 : -1;
}

static int
begin_work(struct worker *w, struct err *e)
{
	/* EXECUTION_ORPHAN is for our children, who inherit the mask. */
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, EXECUTION_ORPHAN};
	char host[64] = "";

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(w->name, sizeof w->name, "%s:%ld", host, (long)getpid());
	if (runners_open(&w->runners, w->options->jobs, e) < 0)
		return -1;
	/* Before the watches: their thread must not be given our signals. */
	w->signalfd = signals_watch(signals, sizeof signals / sizeof signals[0], e);
	if (w->signalfd < 0 || process_adopt(0, 0, e) < 0)
		return -1;
	if (open_supplys(w, e) < 0)
		return -1;
	space_reserve();
	struct err why;
	if (profiles_note(w->options->task.profiles, &why) < 0) /* it is only a note */
		task_report(&w->options->task, true, "profiles", "%s", why.message);
	return 0;
}

static void
end_work(struct worker *w)
{
	runners_close(&w->runners);
	for (size_t i = 0; i < w->options->queue_count; i++)
		supply_close(&w->supply[i]);
	file_close(w->signalfd);
}

/* What the end ${end} of a task means for its runner. */
static enum runner_end
runner_end(enum task_end end)
{
	if (end == TASK_DIED)
		return RUNNER_FAILED;
	return end == TASK_LATER || end == TASK_LIMITED ? RUNNER_AGAIN : RUNNER_DONE;
}

/* Run ${c} with ${p}, and end its claim. */
static enum runner_end
run_claim(struct worker *w, struct queue *q, const struct queue_claim *c, const struct profile *p,
	  volatile bool *at_archive)
{
	struct task_options o = w->options->task;
	struct err e;

	o.profile = p;
	o.recovery = queue_recovery(q);
	o.at_archive = at_archive;
	if (task_assignment(queue_claim_task(c)) == NULL)
		return runner_end(job_run(&o, q, c));
	enum task_end end = task_run(&o, q, c);
	int64_t pause = end == TASK_LIMITED ? outcome_pause(&o, queue_claim_task(c)) : 0;
	/* A death is not recorded: whoever takes the task next sees it. */
	if (end == TASK_ORPHANED || end == TASK_DIED || (end != TASK_OVER && getppid() != w->pid))
		return runner_end(end);
	if (task_finish(q, c, end, pause, &e) == 0 || e.code == ERR_BAD_STATE)
		return runner_end(end);
	/* Whoever takes the task again finds it over, or fails at the same. */
	task_report(&w->options->task, true, queue_name(q), "%s", e.message);
	return RUNNER_FAILED;
}

/* In a runner: run a task. */
static enum runner_end
run_task(void *arg, const struct runner_task *t, struct queue_claim *c, volatile bool *at_archive)
{
	struct worker *w = arg;
	const struct profile *p = &w->options->task.profiles->profile[t->profile];
	struct supply *s = &w->supply[t->queue];
	struct err e;

	/* It may have been opened after this process was begun.  Our lock ends the claim. */
	if (open_supply(w, s, &e) < 0) {
		note_failure(w, s, &e);
		return RUNNER_FAILED;
	}
	struct queue *q = s->queue;
	/* The claim is durable before anything is done for it: no run goes unrecorded. */
	if (queue_claim_sync(q, c, &e) < 0) {
		task_report(&w->options->task, true, queue_name(q), "%s", e.message);
		task_finish(q, c, TASK_RETURN, 0, NULL); /* else our lock does, when we end */
		return RUNNER_FAILED;
	}
	return run_claim(w, q, c, p, at_archive);
}

/* Take a task from queue ${i} for profile ${k} and begin it: 1, 0 if there is none. */
static int
take_task(struct worker *w, size_t i, size_t k, struct err *e)
{
	const struct profile *p = &w->options->task.profiles->profile[k];
	char name[sizeof w->name + PROFILE_NAME + 2];
	const struct queue_worker self = {
	    .name = name, .lease = QUEUE_LEASE_MS, .held = true, .capabilities = p->capabilities};
	struct queue_claim *c;

	(void)snprintf(name, sizeof name, "%s/%s", w->name, p->name);
	int status = queue_take(w->supply[i].queue, &self, &c, NULL, e);
	if (status <= 0)
		return status;
	const struct runner_task t = {i, k, queue_claim_id(c)};
	if (runners_give(&w->runners, &t, c, e) < 0) {
		(void)task_finish(w->supply[i].queue, c, TASK_RETURN, 0,
				  NULL); /* else the lock that goes with us does it */
		status = -1;
	} else {
		w->taken++;
	}
	queue_claim_free(c);
	return status;
}

/* Does the breaker of ${name} let it be used?  1, 0 if not, which is reported once, until
 * *${reported_until}, or -1. */
static int
is_free(struct worker *w, enum breaker_kind kind, const char *name, int64_t *reported_until,
	struct err *e)
{
	char until[CLOCK_TEXT];
	struct breaker b;

	if (breaker_read(kind, name, &b, e) < 0)
		return -1;
	if (b.until == 0)
		return 1;
	(void)snprintf(w->held, sizeof w->held, "%s %.64s %s until %s: %.120s",
		       breaker_kind_name(kind), name, b.stopped ? "is stopped" : "cools down",
		       clock_format(b.until, until), b.why);
	if (*reported_until != b.until) {
		task_report(&w->options->task, b.stopped && w->taken == 0, "worker", "%s", w->held);
		for (size_t i = 0; i < w->options->queue_count; i++)
			w->supply[i].told = 0;
	}
	*reported_until = b.until;
	return 0;
}

static bool
has_slot(const struct worker *w)
{
	return w->runners.busy < w->options->jobs && !(w->options->once && w->taken > 0);
}

/* Begin what may be begun of queue ${i} with profile ${k}: 1, 0 if that may not be used, -1. */
static int
take_for(struct worker *w, size_t i, size_t k, struct err *e)
{
	const struct profile *p = &w->options->task.profiles->profile[k];
	int more = 1;

	int status = is_free(w, BREAKER_PROFILE, p->name, &w->reported_until[WORKER_QUEUES + k], e);
	while (status == 1 && more == 1 && has_slot(w))
		more = take_task(w, i, k, e);
	return more < 0 ? -1 : status;
}

/* Begin what may be begun of queue ${i}. */
static int
take_from(struct worker *w, size_t i, struct err *e)
{
	struct supply *s = &w->supply[i];
	int used = 0;

	if (open_supply(w, s, e) < 0)
		return -1;
	int status = is_free(w, BREAKER_QUEUE, s->name, &w->reported_until[i], e);
	size_t k = 0, profiles = w->options->task.profiles->count;
	for (; status == 1 && k < profiles && has_slot(w); k++) {
		int one = take_for(w, i, k, e);
		if (one < 0)
			return -1;
		used += one;
	}
	if (status == 0 || (status == 1 && k == profiles && used == 0))
		supply_tell(s, w->held);
	return status < 0 ? -1 : 0;
}

/* Begin as many tasks as may run at once.  A queue that fails is left out for a while; -1 if that
 * is why nothing runs. */
static int
take_all(struct worker *w, struct err *e)
{
	bool failed = false;

	w->held[0] = '\0';
	for (size_t i = 0; i < w->options->queue_count && has_slot(w); i++) {
		struct supply *s = &w->supply[i];
		if (clock_steady() >= s->retry_at) {
			bool fails = take_from(w, i, e) < 0;
			if (fails)
				note_failure(w, s, e);
			s->failing = fails;
		}
		failed |= s->failing;
	}
	return failed && w->runners.busy == 0 ? -1 : 0;
}

/* Renew the claims of the tasks that run; one whose claim is lost is stopped. */
static void
renew_claims(struct worker *w)
{
	struct err e;

	if (clock_steady() < w->beat_at)
		return;
	w->beat_at = clock_steady() + QUEUE_LEASE_MS / 3;
	for (size_t i = 0; i < w->runners.count; i++) {
		struct runner *one = &w->runners.slot[i];
		const struct runner_task *t = &one->task;
		if (one->busy &&
		    queue_beat(w->supply[t->queue].queue, t->claim, QUEUE_LEASE_MS, NULL, &e) < 0 &&
		    e.code == ERR_BAD_STATE)
			runner_stop(one);
	}
}

/* The process of a task of ${q} died. */
static void
note_death(struct worker *w, const struct queue *q, int signal, bool at_archive)
{
	const struct breaker_rule *rule = &w->options->task.profiles->rule;
	char why[96];
	bool stopped = false;
	struct err e;

	if (signal == 0)
		(void)snprintf(why, sizeof why, "the process of a task ended before the task");
	else
		(void)snprintf(why, sizeof why, "the process of a task was killed by signal %d%s",
			       signal, at_archive ? ", at an archive" : "");
	task_report(&w->options->task, true, "worker", "%s", why);
	/* Nobody else is to suffer from what a delegator sent: then the task counts it. */
	if (!at_archive && breaker_died(BREAKER_QUEUE, queue_name(q), rule, why, &stopped, &e) < 0)
		task_report(&w->options->task, true, "worker", "%s", e.message);
	else if (stopped)
		task_report(
		    &w->options->task, true, queue_name(q),
		    "that happened %u times within %lld s; nothing is taken from this queue for as "
		    "long; awcp-run --clear %s lets it go on",
		    rule->deaths, (long long)rule->window / 1000, queue_name(q));
	/* What it had running is ours now.  The task is taken again. */
	runners_sweep(&w->runners);
	w->not_before = clock_steady() + PAUSE_MS;
	w->try_again = true;
}

/* A task has ended. */
static void
task_ended(void *arg, const struct runner_task *t, enum runner_end end, int signal, bool at_archive)
{
	struct worker *w = arg;
	const struct queue *q = w->supply[t->queue].queue;

	w->try_again = end != RUNNER_DONE;
	if (end == RUNNER_FAILED)
		w->not_before = clock_steady() + PAUSE_MS;
	if (end == RUNNER_DIED)
		note_death(w, q, signal, at_archive);
	else
		breaker_success(BREAKER_QUEUE, queue_name(q), NULL); /* if not, it is stopped */
}

static void
give_back(struct worker *w)
{
	w->giving_back = true;
	for (size_t i = 0; i < w->runners.count; i++)
		if (w->runners.slot[i].busy)
			runner_stop(&w->runners.slot[i]);
}

static void
read_signals(struct worker *w)
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
		if (w->runners.busy > 0 && w->options->grace > 0)
			task_report(&w->options->task, true, "worker",
				    "stopping; running tasks may go on for %lld s, a second signal "
				    "hands them "
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
	struct pollfd fds[WORKER_QUEUES + 2] = {{.fd = w->signalfd, .events = POLLIN},
						{.fd = w->runners.reportfd, .events = POLLIN}};
	size_t n = w->options->queue_count;
	int64_t left = runners_dismiss(&w->runners, QUEUE_POLL_MS);

	for (size_t i = 0; i < n; i++)
		fds[i + 2] = (struct pollfd){
		    .fd = w->supply[i].waiter == NULL ? -1 : watch_fd(w->supply[i].waiter),
		    .events = POLLIN};
	if (w->stopping && !w->giving_back && w->give_back_at - clock_steady() < left)
		left = w->give_back_at - clock_steady();
	(void)poll(fds, n + 2, left > 0 ? (int)left : 0);
	for (size_t i = 0; i < n; i++)
		if (fds[i + 2].revents != 0)
			(void)watch_wait(w->supply[i].waiter, -1, 0);
	read_signals(w);
}

/* Take tasks and see them end; 0 when that was all. */
static int
work_until_stopped(struct worker *w, struct err *e)
{
	const struct worker_options *o = w->options;

	for (;;) {
		runners_reap(&w->runners);
		renew_claims(w);
		bool done_taking = w->stopping || (o->once && w->taken > 0);
		if (done_taking && w->runners.busy == 0)
			break;
		if (!done_taking && clock_steady() >= w->not_before && take_all(w, e) < 0 &&
		    o->once)
			return -1;
		if (o->once && w->taken == 0) {
			err_set(e, ERR_BUSY, "no task is waiting");
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
	struct worker w = {.options = o,
			   .signalfd = -1,
			   .pid = getpid(),
			   .runners = {.work = run_task, .ended = task_ended, .arg = &w}};
	int status = -1;

	if (begin_work(&w, e) == 0)
		status = work_until_stopped(&w, e);
	end_work(&w);
	return status;
}
