/* What takes long, or talks to others, is left to the command that does it. */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "process/launch.h"
#include "reap/private.h"

#define MAX_STARTED 32 /* in one run: each takes memory, and the next run is not far */

int
reap_start(struct reap *r, const struct record *delegation, char *const *argv, struct err *e)
{
	char path[PATH_MAX];

	if (r->started >= MAX_STARTED)
		return err_set(e, ERR_BUSY, "enough was started for now");
	if (launch_find(argv[0], path, e) < 0)
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
