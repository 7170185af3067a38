/*
 * hammer - many processes that put, take, beat, finish, fail and cancel tasks of one queue at once,
 * are killed amid it and started again; and then the accounts are compared.
 *
 *	hammer seconds processes
 *
 * Every process keeps a log of its own of what it was told and what it was about to say, a line
 * with one write.  In the end every task that was said to be put is there and has ended; no claim
 * was given twice; of each task one attempt at most completed it, the one that was told so; and
 * every attempt in its record was somebody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "queue/queue.h"

#define MOST 100000000 /* tasks */
#define QUEUE "hammer"

_Noreturn static void
die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "hammer: %s: %s\n", what, e == NULL ? strerror(errno) : e->message);
	exit(1);
}

static uint64_t
roll(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The life of a process: until it is killed, or the time is over. */
struct life {
	struct queue *queue;
	int log;
	uint64_t seed;
	int64_t until; /* clock_steady */
};

static void
note(const struct life *l, char what, uint64_t number, uint32_t attempt)
{
	char text[64];
	int n =
	    snprintf(text, sizeof text, "%c %llu %u\n", what, (unsigned long long)number, attempt);

	if (write(l->log, text, (size_t)n) != n)
		die("log", NULL);
}

static void
put_some(struct life *l)
{
	struct queue_receipt receipts[8];
	size_t n = 1 + roll(&l->seed) % 8, done;
	json_t *tasks[8];
	struct err e;

	for (size_t i = 0; i < n; i++) {
		tasks[i] = json_pack("{sI sI sI sI}", "payload", (json_int_t)i, "priority",
				     (json_int_t)(roll(&l->seed) % 3), "retries", (json_int_t)1,
				     "backoff", (json_int_t)0);
		if (roll(&l->seed) % 4 == 0)
			(void)jsonx_set(tasks[i], "lane", roll(&l->seed) % 2 == 0 ? "a" : "b");
	}
	if (queue_put(l->queue, tasks, n, receipts, &done, &e) < 0)
		die("put", &e);
	for (size_t i = 0; i < n; i++) {
		note(l, 'p', receipts[i].number, 0);
		json_decref(tasks[i]);
	}
}

/* Do a task, well or badly.  What is about to be said is noted, and that it was. */
static int
work(struct life *l, bool kindly)
{
	uint64_t luck = kindly ? 0 : roll(&l->seed) % 16;
	const struct queue_worker w = {.name = "hammer",
				       .lease =
					   luck == 1 ? 1 + (int64_t)(roll(&l->seed) % 20) : 60000,
				       .held = luck != 1};
	struct queue_outcome o = {.event = luck == 2   ? QUEUE_FAIL
					   : luck == 3 ? QUEUE_RETURN
						       : QUEUE_COMPLETE,
				  .exit = -1};
	struct queue_claim *c;
	struct err e;

	int status = queue_take(l->queue, &w, &c, NULL, &e);
	if (status < 0)
		die("take", &e);
	if (status == 0)
		return 0;
	const struct queue_claim_id id = queue_claim_id(c);
	note(l, 't', id.number, id.attempt);
	if (luck == 1) /* it is late */
		(void)usleep((useconds_t)(roll(&l->seed) % 40000));
	if (luck == 4 && queue_beat(l->queue, id, 60000, "half", &e) < 0 && e.code != ERR_BAD_STATE)
		die("beat", &e);
	note(l, 'f', id.number, id.attempt);
	if (queue_finish(l->queue, id, &o, &e) == 0)
		note(l, o.event == QUEUE_COMPLETE ? 'c' : 'e', id.number, id.attempt);
	else if (e.code != ERR_BAD_STATE)
		die("finish", &e);
	queue_claim_free(c);
	return 1;
}

static void
live(struct life *l, const char *log)
{
	struct err e;

	l->log = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	l->queue = queue_open(QUEUE, true, &e);
	if (l->log < 0 || l->queue == NULL)
		die("begin", l->log < 0 ? NULL : &e);
	while (clock_steady() < l->until) {
		uint64_t what = roll(&l->seed) % 32;
		if (what < 6)
			put_some(l);
		else if (what == 6)
			(void)queue_control(l->queue, 1 + roll(&l->seed) % 1000, QUEUE_CANCEL, NULL,
					    &e);
		else
			(void)work(l, false);
	}
	queue_close(l->queue);
	exit(0);
}

static pid_t
start(int number, int64_t until, uint64_t seed)
{
	struct life l = {.until = until, .seed = seed * 2654435761U + 88172645463325252U};
	char log[32];

	(void)snprintf(log, sizeof log, "log.%d", number);
	pid_t pid = fork();
	if (pid < 0)
		die("fork", NULL);
	if (pid == 0)
		live(&l, log);
	return pid;
}

/* Start them, kill one every 20 ms, and start another one in its place. */
static unsigned
hammer(int processes, int64_t until)
{
	pid_t *pids = calloc((size_t)processes, sizeof *pids);
	uint64_t seed = 1, luck = 4711;
	unsigned killed = 0;
	int status;

	for (int i = 0; i < processes; i++)
		pids[i] = start(i, until, seed++);
	while (clock_steady() < until - 100) {
		int victim = (int)(roll(&luck) % (unsigned)processes);
		(void)usleep(20000);
		(void)kill(pids[victim], SIGKILL);
		if (waitpid(pids[victim], &status, 0) < 0 || !WIFSIGNALED(status))
			die("a process ended by itself", NULL);
		pids[victim] = start(victim, until, seed++);
		killed++;
	}
	for (int i = 0; i < processes; i++)
		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			die("a process did not end well", NULL);
	free(pids);
	return killed;
}

/* What all the logs say of a task. */
struct account {
	bool put;
	uint32_t completed; /* the attempt that was said to be */
	unsigned takes;
};

struct books {
	struct account *account;
	size_t room;
	uint64_t *claim; /* each that was told: number << 16 | attempt */
	size_t claims, claim_room;
	uint64_t tasks, attempts, done, wrong;
};

static void
wrong(struct books *b, const char *what, uint64_t number)
{
	(void)printf("wrong: task %llu %s\n", (unsigned long long)number, what);
	b->wrong++;
}

static struct account *
account_of(struct books *b, uint64_t number)
{
	if (number >= b->room) {
		size_t room = number * 2 + 1024;
		b->account = realloc(b->account, room * sizeof *b->account);
		if (b->account == NULL || number > MOST)
			die("books", NULL);
		memset(b->account + b->room, 0, (room - b->room) * sizeof *b->account);
		b->room = room;
	}
	return &b->account[number];
}

static void
read_log(struct books *b, int number)
{
	unsigned long long task;
	unsigned attempt;
	char name[32], what;

	(void)snprintf(name, sizeof name, "log.%d", number);
	FILE *f = fopen(name, "r");
	while (f != NULL && fscanf(f, "%c %llu %u\n", &what, &task, &attempt) == 3) {
		struct account *a = account_of(b, task);
		a->put |= what == 'p';
		if (what == 'c' && a->completed != 0)
			wrong(b, "was completed twice", task);
		if (what == 'c')
			a->completed = attempt;
		if (what != 't')
			continue;
		a->takes++;
		if (b->claims == b->claim_room) {
			b->claim_room = b->claim_room * 2 + 1024;
			b->claim = realloc(b->claim, b->claim_room * sizeof *b->claim);
			if (b->claim == NULL)
				die("books", NULL);
		}
		b->claim[b->claims++] = (uint64_t)task << 16 | attempt;
	}
	if (f != NULL)
		(void)fclose(f);
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Compare the record of a task with what the logs say of it. */
static int
audit(void *arg, const json_t *task)
{
	struct books *b = arg;
	uint64_t number = (uint64_t)jsonx_number(task, "number", 0);
	enum queue_state state = queue_state_named(jsonx_text(task, "state", ""));
	struct account *a = account_of(b, number);
	uint32_t completed = 0;
	const json_t *attempt;
	size_t i;

	b->tasks++;
	a->put = false; /* it is there */
	if (!queue_state_ended(state))
		wrong(b, "has not ended", number);
	json_array_foreach (json_object_get(task, "attempts"), i, attempt) {
		const char *outcome = jsonx_text(attempt, "outcome", "none");
		b->attempts++;
		if (strcmp(outcome, "none") == 0)
			wrong(b, "has an attempt without an end", number);
		if (strcmp(outcome, "completed") == 0 && completed != 0)
			wrong(b, "has two attempts that completed it", number);
		if (strcmp(outcome, "completed") == 0)
			completed = (uint32_t)jsonx_number(attempt, "attempt", 0);
	}
	b->done += completed != 0;
	if ((completed != 0) != (state == QUEUE_COMPLETED))
		wrong(b, "is completed by no attempt, or is not", number);
	if (a->completed != 0 && a->completed != completed)
		wrong(b, "was said to be completed by another attempt", number);
	if (a->takes > jsonx_number(task, "attempt", 0))
		wrong(b, "was given more often than it has attempts", number);
	return 0;
}

static void
balance(struct books *b, struct queue *q, int processes)
{
	const struct queue_filter all = {.states = ~(uint32_t)1};
	struct err e;

	for (int i = 0; i <= processes; i++)
		read_log(b, i);
	if (b->claims == 0)
		die("nothing was claimed", NULL);
	qsort(b->claim, b->claims, sizeof *b->claim, by_value);
	for (size_t i = 1; i < b->claims; i++)
		if (b->claim[i] == b->claim[i - 1])
			wrong(b, "had a claim that was given twice", b->claim[i] >> 16);
	if (queue_list(q, &all, audit, b, &e) < 0)
		die("list", &e);
	for (size_t i = 0; i < b->room; i++)
		if (b->account[i].put)
			wrong(b, "was said to be put, and is not there", i);
}

static void
report(void *arg, const char *text)
{
	(void)printf("wrong: %s\n", text);
	++*(uint64_t *)arg;
}

int
main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 0, processes = argc > 2 ? atoi(argv[2]) : 0;
	struct books b = {.room = 0};
	struct err e;

	if (seconds < 1 || processes < 1)
		return 64;
	unsigned killed = hammer(processes, clock_steady() + seconds * (int64_t)1000);
	struct life last = {.until = 0, .seed = 1};
	last.log = open("log.last", O_WRONLY | O_CREAT | O_APPEND, 0600);
	last.queue = queue_open(QUEUE, false, &e);
	if (last.log < 0 || last.queue == NULL)
		die("end", &e);
	while (work(&last, true) == 1)
		continue;
	if (rename("log.last", "log.-1") < 0)
		die("end", NULL);
	read_log(&b, -1);
	balance(&b, last.queue, processes);
	if (queue_check(last.queue, false, report, &b.wrong, &e) < 0)
		die("check", &e);
	queue_close(last.queue);
	(void)printf("%d processes, %d s, %u killed: %llu tasks, %zu claims told, %llu attempts "
		     "recorded, %llu completed, %llu wrong\n",
		     processes, seconds, killed, (unsigned long long)b.tasks, b.claims,
		     (unsigned long long)b.attempts, (unsigned long long)b.done,
		     (unsigned long long)b.wrong);
	return b.wrong > 0;
}
