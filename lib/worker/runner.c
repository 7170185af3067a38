#include "worker/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/execution.h"
#include "base/file.h"
#include "process/launch.h"
#include "process/process.h"

#define IDLE_MS 1000 /* for which a runner without a task is kept */
#define TASKS 100    /* that a runner is given */
#define OTHERS 160   /* descriptors for all else: queues, and what a runner opens */

/* What a runner reports. */
struct report {
	size_t slot;
	pid_t pid;
	enum runner_end end;
};

/* Have as many descriptors as ${n} runners need. */
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

	r->reportfd = r->replyfd = -1;
	if (raise_limit(n, e) < 0)
		return -1;
	r->slot = calloc(n, sizeof *r->slot);
	if (r->slot == NULL)
		return err_memory(e);
	r->count = n;
	void *shared =
	    mmap(NULL, n * sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_memory(e);
	r->at_archive = shared;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "cannot make a socket");
	r->reportfd = ends[0];
	r->replyfd = ends[1];
	return 0;
}

/* It gets no more tasks; nobody waits for its end. */
static void
release_runner(struct runner *one)
{
	file_close(one->fd);
	*one = (struct runner){.fd = -1};
}

void
runners_close(struct runners *r)
{
	if (r->slot == NULL)
		return;
	for (size_t i = 0; i < r->count; i++) {
		pid_t pid = r->slot[i].pid;
		if (pid == 0)
			continue;
		release_runner(&r->slot[i]);
		(void)launch_wait(pid);
	}
	if (r->at_archive != NULL)
		(void)munmap((void *)(uintptr_t)r->at_archive, r->count * sizeof(bool));
	file_close(r->reportfd);
	file_close(r->replyfd);
	free(r->slot);
	r->slot = NULL;
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

/* The next task of this process, and the claim on it; NULL if it is to end. */
static struct queue_claim *
receive_task(int fd, struct runner_task *t)
{
	return file_read(fd, t, sizeof *t, NULL) == (ssize_t)sizeof *t ? queue_claim_receive(fd)
								       : NULL;
}

/* The life of a runner. */
_Noreturn static void
run_tasks(const struct runners *r, size_t slot, int fd, pid_t parent)
{
	struct report a = {.slot = slot, .pid = getpid()};
	struct runner_task task;
	struct queue_claim *claim;

	/* What a terminal sends to the foreground is for the worker alone; our notes may be written
	 * to it all the same. */
	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	/* When the worker is killed, this process is signalled as if it were to stop. */
	if (process_adopt(EXECUTION_ORPHAN, parent, NULL) < 0)
		_exit(1);
	while ((claim = receive_task(fd, &task)) != NULL) {
		a.end = r->work(r->arg, &task, claim, &r->at_archive[slot]);
		queue_claim_free(claim);
		if (send(r->replyfd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a)
			break;
	}
	_exit(0);
}

/* Start a runner in ${slot}. */
static int
start_runner(struct runners *r, size_t slot, struct err *e)
{
	struct runner *one = &r->slot[slot];
	pid_t self = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "cannot make a socket");
	r->at_archive[slot] = false;
	pid_t pid = fork();
	if (pid == 0) {
		/* Else the others would not see the worker end. */
		for (size_t i = 0; i < r->count; i++)
			if (r->slot[i].pid != 0)
				file_close(r->slot[i].fd);
		file_close(ends[0]);
		file_close(r->reportfd);
		run_tasks(r, slot, ends[1], self);
	}
	file_close(ends[1]);
	if (pid < 0) {
		file_close(ends[0]);
		return err_sys(e, "cannot start a process for a task");
	}
	*one = (struct runner){.pid = pid, .fd = ends[0]};
	return 0;
}

/* The slot of a runner that waits for a task, else a free one. */
static size_t
choose_slot(const struct runners *r)
{
	size_t free_slot = r->count;

	for (size_t i = 0; i < r->count; i++) {
		if (r->slot[i].pid == 0)
			free_slot = free_slot < i ? free_slot : i;
		else if (!r->slot[i].busy)
			return i;
	}
	return free_slot;
}

/* Send ${t} to the runner in ${slot}, or to a new one there. */
static int
hand_over(struct runners *r, size_t slot, const struct runner_task *t, const struct queue_claim *c,
	  struct err *e)
{
	struct runner *one = &r->slot[slot];

	if (one->pid != 0 && send_task(one->fd, t, c, NULL) == 0)
		return 0;
	if (one->pid != 0)
		release_runner(one); /* it was killed while it waited */
	if (start_runner(r, slot, e) < 0)
		return -1;
	if (send_task(one->fd, t, c, e) == 0)
		return 0;
	release_runner(one);
	return -1;
}

int
runners_give(struct runners *r, const struct runner_task *t, const struct queue_claim *c,
	     struct err *e)
{
	size_t slot = choose_slot(r);

	if (hand_over(r, slot, t, c, e) < 0)
		return -1;
	r->slot[slot].busy = true;
	r->slot[slot].task = *t;
	r->slot[slot].count++;
	r->busy++;
	return 0;
}

/* The runner in ${slot} has ended its task. */
static void
end_task(struct runners *r, size_t slot, enum runner_end end, int signal)
{
	struct runner *one = &r->slot[slot];
	const struct runner_task task = one->task;
	bool at_archive = r->at_archive[slot];

	one->busy = false;
	one->idle = clock_steady();
	r->busy--;
	if (one->spent || one->count >= TASKS || end == RUNNER_DIED)
		release_runner(one);
	r->ended(r->arg, &task, end, signal, at_archive);
}

/* Read what runners have reported. */
static void
read_reports(struct runners *r)
{
	struct report a;

	while (recv(r->reportfd, &a, sizeof a, MSG_DONTWAIT) == (ssize_t)sizeof a) {
		const struct runner *one = &r->slot[a.slot];
		if (one->pid == a.pid && one->busy)
			end_task(r, a.slot, a.end, 0);
	}
}

void
runners_reap(struct runners *r)
{
	pid_t pid;
	int status;

	read_reports(r);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		read_reports(r); /* it may have reported before it ended */
		size_t i = 0;
		while (i < r->count && r->slot[i].pid != pid)
			i++;
		if (i == r->count)
			continue; /* a released one, or an orphan that was left to us */
		if (r->slot[i].busy)
			end_task(r, i, RUNNER_DIED, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		else
			release_runner(&r->slot[i]);
	}
}

int64_t
runners_dismiss(struct runners *r, int64_t max)
{
	int64_t now = clock_steady();

	for (size_t i = 0; i < r->count; i++) {
		struct runner *one = &r->slot[i];
		if (one->pid == 0 || one->busy)
			continue;
		int64_t left = one->idle + IDLE_MS - now;
		if (left <= 0)
			release_runner(one);
		else if (left < max)
			max = left;
	}
	return max;
}

void
runner_stop(struct runner *one)
{
	one->spent = true;
	(void)kill(one->pid, SIGTERM); /* not yet waited for: the pid is still its own */
}

void
runners_sweep(const struct runners *r)
{
	size_t n = 0;

	pid_t *keep = calloc(r->count, sizeof *keep);
	if (keep == NULL)
		return; /* out of memory: they are left to the tasks' own deadlines */
	for (size_t i = 0; i < r->count; i++)
		if (r->slot[i].pid != 0)
			keep[n++] = r->slot[i].pid;
	process_sweep(keep, n);
	free(keep);
}
