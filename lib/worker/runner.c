#include "worker/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/execution.h"
#include "base/file.h"
#include "process/process.h"

#define IDLE_MS 1000 /* for which one without a task is kept */
#define TASKS 100    /* that one is given */
#define OTHERS 160   /* descriptors for all else: queues, and what one of them opens */

/* What it says. */
struct answer {
	size_t place;
	pid_t pid;
	enum runner_end end;
};

/* Have as many descriptors as ${n} of them need. */
static int
raise_limit(size_t n, struct err *e)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= n + OTHERS)
		return 0;
	if (files.rlim_max < n + OTHERS) {
		err_set(e, ERR_CONFIG,
			"%zu tasks at once need %zu open files, and the limit is %llu", n,
			n + OTHERS, (unsigned long long)files.rlim_max);
		return err_hint(e, "raise it (ulimit -n, LimitNOFILE=), or give a smaller -c");
	}
	files.rlim_cur = n + OTHERS;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? err_sys(e, "cannot open more files") : 0;
}

int
runners_open(struct runners *r, size_t n, struct err *e)
{
	int ends[2];

	r->answerfd = r->sayfd = -1;
	if (raise_limit(n, e) < 0)
		return -1;
	r->place = calloc(n, sizeof *r->place);
	if (r->place == NULL)
		return err_memory(e);
	r->places = n;
	void *shared =
	    mmap(NULL, n * sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_memory(e);
	r->at_archive = shared;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "cannot make a socket");
	r->answerfd = ends[0];
	r->sayfd = ends[1];
	return 0;
}

/* It gets no more; its end is nothing that anybody waits for. */
static void
let_go(struct runner *one)
{
	file_close(one->fd);
	*one = (struct runner){.fd = -1};
}

void
runners_close(struct runners *r)
{
	if (r->place == NULL)
		return;
	for (size_t i = 0; i < r->places; i++) {
		pid_t pid = r->place[i].pid;
		if (pid == 0)
			continue;
		let_go(&r->place[i]);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (r->at_archive != NULL)
		(void)munmap((void *)(uintptr_t)r->at_archive, r->places * sizeof(bool));
	file_close(r->answerfd);
	file_close(r->sayfd);
	free(r->place);
	r->place = NULL;
}

/* Send ${t}, then the claim on it. */
static int
send_task(int fd, const struct runner_task *t, const struct queue_claim *c, struct err *e)
{
	ssize_t n;

	do
		n = send(fd, t, sizeof *t, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "cannot give a task to its process") : queue_claim_send(c, fd, e);
}

/* The next task for this process, and the claim on it; NULL if it is to end. */
static struct queue_claim *
receive_task(int fd, struct runner_task *t)
{
	return file_read(fd, t, sizeof *t, NULL) == (ssize_t)sizeof *t ? queue_claim_receive(fd)
								       : NULL;
}

/* The life of a process. */
_Noreturn static void
live(const struct runners *r, size_t place, int fd, pid_t parent)
{
	struct answer a = {.place = place, .pid = getpid()};
	struct runner_task task;
	struct queue_claim *claim;

	/* What a terminal sends to all that run in front is for the worker alone; our notes may be
	 * written to it all the same. */
	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	/* When the worker is killed, this process hears of it as if it had been told to stop. */
	if (process_adopt(EXECUTION_ORPHAN, parent, NULL) < 0)
		_exit(1);
	while ((claim = receive_task(fd, &task)) != NULL) {
		a.end = r->work(r->arg, &task, claim, &r->at_archive[place]);
		queue_claim_free(claim);
		if (send(r->sayfd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a)
			break;
	}
	_exit(0);
}

/* Start one in ${place}. */
static int
start(struct runners *r, size_t place, struct err *e)
{
	struct runner *one = &r->place[place];
	pid_t self = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "cannot make a socket");
	r->at_archive[place] = false;
	pid_t pid = fork();
	if (pid == 0) {
		/* Else the others would not see the worker go. */
		for (size_t i = 0; i < r->places; i++)
			if (r->place[i].pid != 0)
				file_close(r->place[i].fd);
		file_close(ends[0]);
		file_close(r->answerfd);
		live(r, place, ends[1], self);
	}
	file_close(ends[1]);
	if (pid < 0) {
		file_close(ends[0]);
		return err_sys(e, "cannot start a process for a task");
	}
	*one = (struct runner){.pid = pid, .fd = ends[0]};
	return 0;
}

/* The place of one that waits for a task, else of none. */
static size_t
choose(const struct runners *r)
{
	size_t empty = r->places;

	for (size_t i = 0; i < r->places; i++) {
		if (r->place[i].pid == 0)
			empty = empty < i ? empty : i;
		else if (!r->place[i].busy)
			return i;
	}
	return empty;
}

/* Send ${t} to the one in ${place}, or to a new one there. */
static int
hand_over(struct runners *r, size_t place, const struct runner_task *t, const struct queue_claim *c,
	  struct err *e)
{
	struct runner *one = &r->place[place];

	if (one->pid != 0 && send_task(one->fd, t, c, NULL) == 0)
		return 0;
	if (one->pid != 0)
		let_go(one); /* it was killed while it waited */
	if (start(r, place, e) < 0)
		return -1;
	if (send_task(one->fd, t, c, e) == 0)
		return 0;
	let_go(one);
	return -1;
}

int
runners_give(struct runners *r, const struct runner_task *t, const struct queue_claim *c,
	     struct err *e)
{
	size_t place = choose(r);

	if (hand_over(r, place, t, c, e) < 0)
		return -1;
	r->place[place].busy = true;
	r->place[place].task = *t;
	r->place[place].count++;
	r->busy++;
	return 0;
}

/* The one in ${place} has no task any more. */
static void
end_task(struct runners *r, size_t place, enum runner_end end, int signal)
{
	struct runner *one = &r->place[place];
	const struct runner_task task = one->task;
	bool at_archive = r->at_archive[place];

	one->busy = false;
	one->idle = clock_steady();
	r->busy--;
	if (one->spent || one->count >= TASKS || end == RUNNER_DIED)
		let_go(one);
	r->ended(r->arg, &task, end, signal, at_archive);
}

/* Hear what they have said. */
static void
hear(struct runners *r)
{
	struct answer a;

	while (recv(r->answerfd, &a, sizeof a, MSG_DONTWAIT) == (ssize_t)sizeof a) {
		const struct runner *one = &r->place[a.place];
		if (one->pid == a.pid && one->busy)
			end_task(r, a.place, a.end, 0);
	}
}

void
runners_reap(struct runners *r)
{
	pid_t pid;
	int status;

	hear(r);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		hear(r); /* it may have said something, and is gone */
		size_t i = 0;
		while (i < r->places && r->place[i].pid != pid)
			i++;
		if (i == r->places)
			continue; /* one that was let go, or an orphan that was left to us */
		if (r->place[i].busy)
			end_task(r, i, RUNNER_DIED, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		else
			let_go(&r->place[i]);
	}
}

int64_t
runners_dismiss(struct runners *r, int64_t most)
{
	int64_t now = clock_steady();

	for (size_t i = 0; i < r->places; i++) {
		struct runner *one = &r->place[i];
		if (one->pid == 0 || one->busy)
			continue;
		int64_t left = one->idle + IDLE_MS - now;
		if (left <= 0)
			let_go(one);
		else if (left < most)
			most = left;
	}
	return most;
}

void
runner_stop(struct runner *one)
{
	one->spent = true;
	(void)kill(one->pid, SIGTERM); /* not yet waited for: it is ours */
}

void
runners_sweep(const struct runners *r)
{
	size_t n = 0;

	pid_t *keep = calloc(r->places, sizeof *keep);
	if (keep == NULL)
		return; /* they are left to the tasks' own deadlines */
	for (size_t i = 0; i < r->places; i++)
		if (r->place[i].pid != 0)
			keep[n++] = r->place[i].pid;
	process_sweep(keep, n);
	free(keep);
}
