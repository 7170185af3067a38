#include "process/in_child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "process/launch.h"

/* What the child sends: this, then the bytes of its result. */
struct head {
	int status;
	size_t len; /* of the result */
	struct err e;
};

_Noreturn static void
run_work(int fd, pid_t parent, int (*work)(void *, struct buf *, struct err *), void *arg,
	 size_t max)
{
	struct buf result = BUF_INIT(max);
	struct head head;

	memset(&head, 0, sizeof head);
	/* Without the parent nobody would read the result. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != parent)
		_exit(1);
	head.status = work(arg, &result, &head.e);
	head.len = result.len;
	if (file_write(fd, &head, sizeof head, NULL) < 0 ||
	    file_write(fd, result.data != NULL ? result.data : "", result.len, NULL) < 0)
		_exit(1);
	_exit(0);
}

/* Read what the child sends on ${fd}, to its end. */
static int
read_reply(int fd, struct buf *result, struct err *e)
{
	char piece[4096];
	struct head head;
	ssize_t n = -1;

	size_t start = result->len;
	if (file_read(fd, &head, sizeof head, e) == (ssize_t)sizeof head)
		while ((n = file_read(fd, piece, sizeof piece, e)) > 0)
			if (buf_add(result, piece, (size_t)n, e) < 0)
				return -1;
	if (n != 0 || result->len - start != head.len)
		return err_set(e, ERR_INTERNAL, "a process that worked on an archive died");
	if (head.status < 0 && e != NULL)
		*e = head.e;
	return head.status;
}

int
in_child(int (*work)(void *arg, struct buf *result, struct err *e), void *arg, struct buf *result,
	 struct err *e)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	pid_t child = fork();
	if (child == 0)
		run_work(ends[1], parent, work, arg, result->max);
	file_close(ends[1]);
	if (child < 0) {
		file_close(ends[0]);
		return err_sys(e, "cannot start a process");
	}
	int status = read_reply(ends[0], result, e);
	file_close(ends[0]);
	(void)launch_wait(child); /* what it sent tells how it ended */
	return status;
}
