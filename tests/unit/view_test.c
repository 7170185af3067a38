/* What a task sees of the file system, and which system calls it may not make. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "process/syscalls.h"
#include "process/view.h"
#include "scratch.h"

/* The marks of ${v} below the scratch directory, each as "kind path ". */
static const char *
marks(struct view *v)
{
	static const char kinds[] = {'w', '+', '-'};
	static char text[1024];
	size_t n = 0, top = strlen(scratch);

	view_settle(v);
	text[0] = '\0';
	for (size_t i = 0; i < v->count; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%c%s ", kinds[v->mark[i].kind],
				      strncmp(v->mark[i].path, scratch, top) == 0
					  ? v->mark[i].path + top
					  : v->mark[i].path);
	view_free(v);
	return text;
}

static const char *
at(const char *name)
{
	static char path[4][256];
	static size_t i;

	i = (i + 1) % 4;
	(void)snprintf(path[i], sizeof path[i], "%s/%s", scratch, name);
	return path[i];
}

static void
test_view(void)
{
	struct view v = VIEW_INIT;

	scratch_text("home/.ssh/key", "");
	scratch_text("home/.ssh/config", "");
	scratch_text("home/bin/agent", "");
	scratch_link("link", "home/bin/agent");
	view_hide(&v, at("home/.ssh"));
	view_hide(&v, at("none"));
	CHECK_STR(marks(&v), "-/home/.ssh ", "what is there is hidden");
	view_hide(&v, at("home/.ssh"));
	view_hide(&v, at("home"));
	CHECK_STR(marks(&v), "-/home ", "what is in a hidden directory need not be");
	view_show(&v, at("home/bin/agent"), false);
	CHECK_STR(marks(&v), "", "what is visible need not be shown");
	view_show(&v, at("home/bin/agent"), false);
	view_hide(&v, at("home"));
	CHECK_STR(marks(&v), "-/home +/home/bin/agent ", "what is named is shown all the same");
	view_hide(&v, at("home"));
	view_show(&v, at("home/bin"), false);
	CHECK_STR(marks(&v), "-/home ", "but no directory unless it is asked for");
	view_show(&v, at("home"), true);
	view_hide(&v, at("."));
	view_hide(&v, at("home/.ssh"));
	view_show(&v, at("home/.ssh/config"), true);
	CHECK_STR(marks(&v), "- +/home -/home/.ssh +/home/.ssh/config ", "the nearest decides");
	view_hide(&v, at("home/.ssh"));
	view_show(&v, at("home/.ssh"), true);
	CHECK_STR(marks(&v), "", "what is shown by name is not hidden");
	view_scratch(&v, at("home"));
	view_show(&v, at("link"), false);
	CHECK_STR(marks(&v), "w/home +/home/bin/agent ", "a link leads to what is shown");
}

static void
test_closed(void)
{
	struct view v = VIEW_INIT;

	(void)chmod(scratch, 0755);
	(void)chmod(at("home"), 0700);
	view_open_way(&v, at("home/bin/agent"), 12345);
	CHECK_STR(marks(&v), "-/home ", "what another may not enter is hidden");
	view_open_way(&v, at("home/bin/agent"), 0);
	view_open_way(&v, at("home/bin/agent"), getuid());
	CHECK_STR(marks(&v), "", "and nothing for who may");
	(void)chmod(at("home"), 0711);
	(void)chmod(at("home/bin"), 0711);
	view_open_way(&v, at("home/bin/agent"), 12345);
	CHECK_STR(marks(&v), "", "nor where everybody may");
}

/* The error of the call, or 0. */
static int
call(long number, long a, long b, long c)
{
	return syscall(number, a, b, c) >= 0 ? 0 : errno;
}

/* What is allowed with ${d}: a letter for each call that is not as if it did not exist. */
static const char *
allowed(const struct syscalls_denied *d)
{
	static char text[16];
	struct sock_filter step[256];
	int ends[2];

	int fd = syscalls_filter(d, NULL);
	ssize_t n = read(fd, step, sizeof step);
	struct sock_fprog program = {(unsigned short)((size_t)n / sizeof step[0]), step};
	(void)close(fd);
	if (n <= 0 || pipe(ends) < 0)
		return "failed";
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
			_exit(1);
		char *p = text;
		*p = 'k';
		p += call(SYS_keyctl, 0, -4, 0) != ENOSYS;
		*p = 'u';
		p += call(SYS_socket, AF_UNIX, SOCK_STREAM, 0) != ENOSYS;
		*p = 'i';
		p += call(SYS_socket, AF_INET, SOCK_STREAM, 0) != ENOSYS;
		*p = 'v';
		p += call(SYS_socket, AF_VSOCK, SOCK_STREAM, 0) != ENOSYS;
		*p = 's';
		p += call(SYS_shmget, 0, -1, 0) != ENOSYS;
		*p++ = '.';
		_exit(write(ends[1], text, (size_t)(p - text)) < 0);
	}
	(void)close(ends[1]);
	n = read(ends[0], text, sizeof text - 1);
	text[n < 0 ? 0 : n] = '\0';
	(void)close(ends[0]);
	(void)waitpid(pid, NULL, 0);
	return text;
}

static void
test_syscalls(void)
{
	CHECK_STR(allowed(&(struct syscalls_denied){false, false}), "uivs.", "no task has keys");
	CHECK_STR(allowed(&(struct syscalls_denied){true, false}), "uis.",
		  "without a network only sockets that are confined");
	CHECK_STR(allowed(&(struct syscalls_denied){true, true}), "ui.",
		  "and, where it cannot be counted, no shared memory");
}

int
main(void)
{
	scratch_open();
	test_view();
	test_closed();
	test_syscalls();
	return check_end();
}
