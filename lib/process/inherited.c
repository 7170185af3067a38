#include "process/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES 1024                      /* what select(2) can have, and programs expect to get */
#define STACK ((rlim_t)8 * 1024 * 1024) /* bytes */

static void
settle_signals(void)
{
	struct sigaction fallback = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
	sigset_t none;

	(void)sigaction(SIGCHLD, &fallback, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Opened for what it is not used for, so that its use is an error and no silent loss. */
static void
settle_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* A soft limit below ${least} is raised to that, or to the hard one. */
static void
raise_limit(int resource, rlim_t least)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0 || l.rlim_cur >= least)
		return;
	l.rlim_cur = l.rlim_max < least ? l.rlim_max : least;
	(void)setrlimit(resource, &l); /* as it was, it is an error in time */
}

void
inherited_settle(void)
{
	settle_descriptors();
	settle_signals();
	raise_limit(RLIMIT_NOFILE, FILES);
	raise_limit(RLIMIT_STACK, STACK);
}
