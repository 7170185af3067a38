/*
 * Processes whose parent was killed, found by a string in their environment: those that a worker
 * started without a sandbox, by its workspace; those of other programs of ours, by a directory of
 * theirs, or nginx, which overwrites its environment, by the directory that it works in.
 *
 * A process is held by a descriptor (pidfd) before anything is asked about its owner, so that the
 * process that is killed is the one that was examined, and not one with the same number.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "assignment/private.h"
#include "base/file.h"
#include "config/home.h"
#include "process/tree.h"
#include "reap/private.h"

#define STOP_MS 30000 /* between TERM and KILL: a worker hands its tasks back */

/* Which processes to look for, and what to do with them. */
struct hunt {
	struct reap *r;
	const char *prefix; /* of a string in the environment */
	const char *cwd;    /* or NULL: nginx in this directory */
	/* Called for ${pidfd}; ${rest} is what follows the prefix. */
	void (*found)(struct hunt *h, int pidfd, const char *pid, const char *rest);
	int signal;
	size_t count;
	const struct reap_left *left;
};

/* Does link ${name} of process ${pid} lead to ${target}, or with ${base} to a file of that name? */
static bool
leads_to(int procfd, const char *pid, const char *name, const char *target, bool base)
{
	char path[64], found[PATH_MAX];

	(void)snprintf(path, sizeof path, "%.20s/%s", pid, name);
	ssize_t n = readlinkat(procfd, path, found, sizeof found - 1);
	if (n <= 0)
		return false;
	found[n] = '\0';
	const char *slash = base ? strrchr(found, '/') : NULL;
	return strcmp(slash != NULL ? slash + 1 : found, target) == 0;
}

static void
check_process(struct hunt *h, int procfd, const char *pid)
{
	struct buf b = BUF_INIT(PROCESS_ENVIRONMENT);
	const char *rest = "";

	pid_t number = (pid_t)strtol(pid, NULL, 10);
	int pidfd = number == getpid() ? -1 : pidfd_open(number, 0);
	if (pidfd < 0)
		return;
	if (process_carries(procfd, pid, h->prefix, &b, &rest) ||
	    (h->cwd != NULL && leads_to(procfd, pid, "exe", "nginx", true) &&
	     leads_to(procfd, pid, "cwd", h->cwd, false)))
		h->found(h, pidfd, pid, rest);
	buf_free(&b);
	file_close(pidfd);
}

static void
hunt_processes(struct hunt *h)
{
	DIR *proc = opendir("/proc");

	for (const char *name; (name = file_next(&proc)) != NULL;)
		if (isdigit((unsigned char)name[0]))
			check_process(h, dirfd(proc), name);
}

/* Is somebody at work in ${rest}, "/assignments/<id>/work" or "/queue/<name>/jobs/<n>/work"? */
static bool
has_worker(const char *rest)
{
	char id[ID_MAX + 1], name[ID_MAX + 1], path[2 * ID_MAX + 64];
	unsigned long long number;

	if (sscanf(rest, "/assignments/%128[A-Za-z0-9_-]/work", id) == 1)
		(void)snprintf(path, sizeof path, ASSIGNMENTS "/%s/" ASSIGNMENT_BUSY, id);
	else if (sscanf(rest, "/queue/%128[A-Za-z0-9_-]/jobs/%llu/work", name, &number) == 2)
		(void)snprintf(path, sizeof path, "queue/%s/running/%llu", name, number);
	else
		return true; /* nothing of ours */
	return file_is_held(home_open(NULL), path);
}

static void
kill_orphan(struct hunt *h, int pidfd, const char *pid, const char *rest)
{
	struct reap_action action;
	struct err e;

	if (has_worker(rest))
		return;
	reap_describe(&action, REAP_ORPHANS, pid, "kill",
		      "the worker that started it in %s is gone", rest + 1);
	if (!reap_may(h->r, &action))
		return;
	int status = pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0
			 ? err_sys(&e, "cannot kill the process")
			 : 0;
	reap_done(h->r, &action, status, &e);
}

void
reap_processes(struct reap *r)
{
	char prefix[PATH_MAX + 32], home[PATH_MAX];
	struct hunt h = {.r = r, .prefix = prefix, .found = kill_orphan};

	if (realpath(home_path(), home) == NULL)
		return;
	(void)snprintf(prefix, sizeof prefix, "AWCP_WORKSPACE=%s", home);
	hunt_processes(&h);
}

static void
stop_process(struct hunt *h, int pidfd, const char *pid, const char *rest)
{
	struct reap_action action;

	if (*rest != '\0')
		return; /* of another one, whose name begins like this */
	h->count++;
	reap_describe(&action, REAP_ORPHANS, pid, "stop", "the %s of %s is gone", h->left->owner,
		      h->left->name);
	if (reap_may(h->r, &action) && pidfd_send_signal(pidfd, h->signal, NULL, 0) == 0)
		reap_done(h->r, &action, 0, NULL);
}

void
reap_clear_left(struct reap *r, const struct reap_left *l)
{
	struct hunt h = {
	    .r = r, .prefix = l->mark, .cwd = l->cwd, .found = stop_process, .left = l};
	struct reap_action action;
	char mark[300];
	struct err e;

	(void)snprintf(mark, sizeof mark, "%.255s/stopping", l->name);
	h.signal = reap_age(r, l->dirfd, mark) >= STOP_MS ? SIGKILL : SIGTERM;
	hunt_processes(&h);
	if (h.count > 0) {
		int fd =
		    r->options->dry
			? -1
			: openat(l->dirfd, mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		file_close(fd);
		return;
	}
	reap_describe(&action, REAP_ORPHANS, l->name, "remove", "the %s that made it is gone",
		      l->owner);
	if (reap_may(r, &action))
		reap_done(r, &action,
			  l->outside ? file_remove_tree(l->dirfd, l->name, &e)
				     : reap_remove(l->dirfd, l->name, &e),
			  &e);
}
