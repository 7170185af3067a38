/* What takes long, or talks to others, is left to the command that does it. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "process/launch.h"
#include "reap/private.h"

#define MAX_STARTED 32 /* in one run: each takes memory, and the next run is not far */

/* The program ${name} in the directory of the one that runs now. */
static int
find_sibling(const char *name, char path[PATH_MAX], struct err *e)
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
reap_start(struct reap *r, const struct record *delegation, char *const *argv, struct err *e)
{
	char path[PATH_MAX];

	if (r->started >= MAX_STARTED)
		return err_set(e, ERR_BUSY, "enough was started for now");
	if (find_sibling(argv[0], path, e) < 0)
		return -1;
	int logfd = openat(delegation->dirfd, "follow.log",
			   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (logfd < 0)
		return err_sys(e, "cannot write follow.log");
	const struct launch l = {.program = path,
				 .argv = argv,
				 .envp = environ,
				 .stdoutfd = -1,
				 .stderrfd = logfd,
				 .detached = true};
	pid_t child = launch(&l, e);
	file_close(logfd);
	if (child < 0)
		return -1;
	(void)launch_wait(child); /* only for what started it */
	r->started++;
	return 0;
}
