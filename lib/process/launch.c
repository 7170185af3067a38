#include "process/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* Between fork and exec: only what is safe there. */
_Noreturn static void
become(const struct launch *l, int stdinfd, int tellfd)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;
	int why;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &usual, NULL); /* some cannot be changed, and need not be */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
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
	_exit(write(tellfd, &why, sizeof why) == sizeof why ? 127 : 126);
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
	int tell[2], why;

	int stdinfd = l->input == NULL ? -1 : file_of_text(l->input, e);
	if (l->input != NULL && stdinfd < 0)
		return -1;
	if (pipe2(tell, O_CLOEXEC) < 0) {
		file_close(stdinfd);
		return err_sys(e, "cannot start a process");
	}
	pid_t child = fork();
	if (child == 0)
		become(l, stdinfd, tell[1]);
	file_close(stdinfd);
	file_close(tell[1]);
	if (child < 0)
		err_sys(e, "cannot start a process");
	/* Closed without a word when it was executed. */
	else if (file_read(tell[0], &why, sizeof why, NULL) == sizeof why) {
		(void)launch_wait(child);
		child = -1;
		errno = why;
		err_sys(e, "cannot start %s", l->program);
	}
	file_close(tell[0]);
	return child;
}
