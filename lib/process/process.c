#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "process/launch.h"
#include "process/signals.h"
#include "process/tree.h"

#define QUIET 3 /* readings of the list of children that must show none */

/* ${directory}/${name} as an absolute path, if it can be executed; else NULL. */
static char *
candidate(const char *directory, size_t n, const char *name)
{
	char cwd[PATH_MAX] = "", *path;
	struct stat st;

	if (directory[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
		return NULL;
	if (asprintf(&path, "%s%s%.*s%s%s", cwd, cwd[0] == '\0' ? "" : "/", (int)n, directory,
		     n == 0 ? "" : "/", name) < 0)
		return NULL;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *
process_find(const char *name, struct err *e)
{
	const char *list = getenv("PATH");
	char *path = NULL;

	if (list == NULL)
		list = "/usr/local/bin:/usr/bin:/bin";
	if (name[0] == '/') {
		path = candidate("/", 0, name);
	} else if (strchr(name, '/') != NULL) {
		path = candidate("", 0, name);
	} else if (name[0] != '\0') {
		for (const char *p = list;; p++) {
			size_t n = strcspn(p, ":");
			if ((path = candidate(n == 0 ? "" : p, n, name)) != NULL || p[n] == '\0')
				break;
			p += n;
		}
	}
	if (path == NULL) {
		err_set(e, ERR_CONFIG, "cannot run %s: no such program", name);
		err_hint(e, "give the path of a program that may be executed");
	}
	return path;
}

/* Take this process, and all that comes of it, to where ${s} has it. */
static int
join_groups(const struct process_spec *s)
{
	/* Where there are no keyrings, there is none to leave. */
	if (s->own_keyring)
		(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	for (const int *fd = s->groupfds; fd != NULL && *fd >= 0; fd++)
		if (write(*fd, "0", 1) != 1)
			return -1;
	return 0;
}

/* Between fork and exec: only what is safe there.  Writes errno to ${reportfd} if it fails. */
_Noreturn static void
become(const struct process_spec *s, pid_t parent, int outputfd, int errorfd, int reportfd)
{
	signals_reset();
	if (setsid() < 0 || join_groups(s) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto failed;
	if (getppid() != parent) /* it died before we could be tied to it */
		_exit(127);
	(void)umask(022); /* ours may be 077 for the state; what a task makes goes back to a tree */
	if (s->cwd != NULL && chdir(s->cwd) < 0)
		goto failed;
	if (dup2(s->stdinfd, 0) < 0 || dup2(outputfd, 1) < 0 || dup2(errorfd, 2) < 0)
		goto failed;
	/* A descriptor of the state directory would be a way out of the sandbox. */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		goto failed;
	for (const int *fd = s->keepfds; fd != NULL && *fd >= 0; fd++)
		if (fcntl(*fd, F_SETFD, 0) < 0)
			goto failed;
	(void)execvpe(s->argv[0], s->argv, s->envp);
failed:;
	int why = errno;
	ssize_t n = write(reportfd, &why, sizeof why);
	_exit(n == sizeof why ? 127 : 126);
}

static int
open_pipe(int end[2], struct err *e)
{
	if (pipe2(end, O_CLOEXEC) == 0)
		return 0;
	end[0] = end[1] = -1;
	return err_sys(e, "cannot make a pipe");
}

static void
close_pipe(int end[2])
{
	file_close(end[0]);
	file_close(end[1]);
}

int
process_start(const struct process_spec *s, struct process *p, struct err *e)
{
	int output[2] = {-1, -1}, error[2] = {-1, -1}, report[2] = {-1, -1}, why;
	pid_t self = getpid();

	*p = (struct process){.outputfd = -1, .errorfd = -1};
	if (open_pipe(output, e) < 0 || open_pipe(error, e) < 0 || open_pipe(report, e) < 0)
		goto out;
	if (fcntl(output[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(error[0], F_SETFL, O_NONBLOCK) < 0) {
		err_sys(e, "cannot set up a pipe");
		goto out;
	}
	/* The child has our memory until it is another program, because copying that costs more
	 * than all the rest; it changes nothing in it but its own stack.  posix_spawn(3) works the
	 * same way, but cannot have a child killed with its parent.  NOLINTNEXTLINE(*vfork,*Vfork)
	 */
	pid_t pid = vfork();
	if (pid == 0)
		become(s, self, output[1], error[1], report[1]); /* NOLINT(*Vfork) */
	if (pid < 0) {
		err_sys(e, "cannot start a process");
		goto out;
	}
	p->pid = pid;
	file_close(report[1]);
	report[1] = -1;
	if (file_read(report[0], &why, sizeof why, NULL) == sizeof why) {
		(void)waitpid(p->pid, &p->status, 0);
		err_set(e, ERR_SETUP_FAILED, "cannot run %s: %s", s->argv[0], strerror(why));
		goto out;
	}
	file_close(report[0]);
	file_close(output[1]);
	file_close(error[1]);
	p->outputfd = output[0];
	p->errorfd = error[0];
	return 0;
out:
	p->pid = 0;
	close_pipe(report);
	close_pipe(error);
	close_pipe(output);
	return -1;
}

void
process_signal(const struct process *p, int signal)
{
	if (p->pid <= 0)
		return;
	/* The program itself may have gone to another group of its session. */
	if (kill(-p->pid, signal) < 0 || signal == SIGKILL)
		(void)kill(p->pid, signal); /* it is our child: its pid cannot be another's */
}

bool
process_ended(struct process *p)
{
	pid_t pid;
	int status;

	while (p->pid > 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == p->pid) {
			p->status = status;
			p->pid = 0;
		}
	return p->pid == 0;
}

static bool
is_kept(pid_t pid, const pid_t *keep, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == pid)
			return true;
	return false;
}

/* Kill this process's children but those in ${keep}, with all that descends from them; returns one
 * of them, 0 if there are none. */
static pid_t
kill_children(const pid_t *keep, size_t n)
{
	char path[64];
	int pid;
	pid_t one = 0;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	FILE *list = fopen(path, "re");
	if (list == NULL)
		return 0;
	while (fscanf(list, "%d", &pid) == 1) {
		if (is_kept(pid, keep, n))
			continue;
		process_tree_signal(pid, SIGKILL);
		if (kill(pid, SIGKILL) == 0)
			one = pid;
	}
	(void)fclose(list);
	return one;
}

/* Is there no child but the ${n} in keep?  The list of children is not to be trusted while it
 * changes; without any to keep the kernel says for sure. */
static bool
swept(size_t n, int *quiet)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	if (n == 0 && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
		return true;
	if (n > 0 && ++*quiet == QUIET)
		return true;
	(void)nanosleep(&pause, NULL);
	return false;
}

void
process_sweep(const pid_t *keep, size_t n)
{
	int quiet = 0;
	pid_t pid;

	do
		while ((pid = kill_children(keep, n)) > 0) {
			quiet = 0;
			(void)launch_wait(pid); /* killed: how it ended is known */
		}
	while (!swept(n, &quiet));
}

int
process_adopt(int signal, pid_t parent, struct err *e)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(e, "cannot become a subreaper");
	if (signal != 0 && prctl(PR_SET_PDEATHSIG, signal) < 0)
		return err_sys(e, "cannot follow the worker's end");
	if (signal != 0 && getppid() != parent)
		return err_set(e, ERR_BUSY, "the worker is gone");
	return 0;
}
