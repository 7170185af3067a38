#include "process/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "process/signals.h"

/* Between fork and exec: only what is safe there. */
_Noreturn static void
become(const struct launch *l, int stdinfd, int reportfd)
{
	int why;

	signals_reset();
	if (l->detached) {
		pid_t child = setsid() < 0 ? -1 : fork();
		if (child < 0)
			goto failed;
		if (child > 0)
			_exit(0);
	}
	int nullfd = open("/dev/null", O_RDWR);
	if (nullfd < 0 || dup2(stdinfd >= 0 ? stdinfd : nullfd, 0) < 0 ||
	    dup2(l->stdoutfd >= 0 ? l->stdoutfd : nullfd, 1) < 0 ||
	    (l->stderrfd >= 0 && dup2(l->stderrfd, 2) < 0) ||
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		goto failed;
	(void)execve(l->program, l->argv, l->envp);
failed:
	why = errno;
	_exit(write(reportfd, &why, sizeof why) == sizeof why ? 127 : 126);
}

int
launch_find(const char *name, char path[PATH_MAX], struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	if (n < 0)
		return err_sys(e, "cannot tell where our programs are");
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	size_t at = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	if (snprintf(path + at, PATH_MAX - at, "%s", name) >= (int)(PATH_MAX - at))
		return err_set(e, ERR_INTERNAL, "the path of %s is too long", name);
	return 0;
}

int
launch_wait(pid_t child)
{
	int how = 0;
	pid_t ended;

	do
		ended = waitpid(child, &how, 0);
	while (ended < 0 && errno == EINTR);
	return how;
}

pid_t
launch(const struct launch *l, struct err *e)
{
	int report[2], why;

	int stdinfd = l->input == NULL ? -1 : file_in_memory(l->input, strlen(l->input), e);
	if (l->input != NULL && stdinfd < 0)
		return -1;
	if (pipe2(report, O_CLOEXEC) < 0) {
		file_close(stdinfd);
		return err_sys(e, "cannot start a process");
	}
	pid_t child = fork();
	if (child == 0)
		become(l, stdinfd, report[1]);
	file_close(stdinfd);
	file_close(report[1]);
	if (child < 0) {
		err_sys(e, "cannot start a process");
	} else if (file_read(report[0], &why, sizeof why, NULL) == sizeof why) {
		/* Once it is executed the pipe is closed, and nothing is read. */
		(void)launch_wait(child);
		child = -1;
		errno = why;
		err_sys(e, "cannot start %s", l->program);
	}
	file_close(report[0]);
	return child;
}
