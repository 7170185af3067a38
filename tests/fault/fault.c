/*
 * fault - a library for LD_PRELOAD that makes the n-th change to the file system go wrong.
 *
 *	FAULT=kill:12		the process is killed (SIGKILL) instead of making its 12th change
 *	FAULT=28:12		its 12th change fails with errno 28 (ENOSPC)
 *	FAULT=run:12		before its 12th change the shell command in FAULT_RUN is run
 *	FAULT=28:12,kill:20	one after the other
 *	FAULT_NO_EXCHANGE=1	renameat2(2) knows no flags, as on an old file system
 *	FAULT_CALLS=file	at the end the number of changes is written there
 *
 * A change is a call of one of the functions below, by one of our programs: what they run in turn
 * (git, a shell) is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long count;

/* Count a change; true if it is to fail, with errno set. */
static int
fails(void)
{
	char fault[128];
	const char *all = getenv("FAULT");
	if (strncmp(program_invocation_short_name, "awcp", 4) != 0)
		return 0;
	snprintf(fault, sizeof fault, "%s", all ? all : "");
	count++;
	for (char *rest, *one = strtok_r(fault, ",", &rest); one;
	     one = strtok_r(NULL, ",", &rest)) {
		const char *colon = strchr(one, ':');
		if (!colon || atol(colon + 1) != count)
			continue;
		if (strncmp(one, "kill:", 5) == 0) {
			kill(getpid(), SIGKILL);
			pause();
		}
		if (strncmp(one, "run:", 4) == 0) {
			unsetenv("FAULT");
			unsetenv("LD_PRELOAD");
			return system(getenv("FAULT_RUN")) < 0;
		}
		errno = atoi(one);
		return 1;
	}
	return 0;
}

__attribute__((destructor)) static void
tell(void)
{
	const char *name = getenv("FAULT_CALLS");
	FILE *f = name ? fopen(name, "w") : NULL;
	if (f) {
		fprintf(f, "%ld\n", count);
		fclose(f);
	}
}

/* NOLINTBEGIN(bugprone-macro-parentheses): types and lists cannot have them. */
/* Define ${name} as: count, fail if it is time, else call the real one. */
#define WRAP(type_, name_, parameters_, arguments_)                            \
	type_ name_ parameters_                                                \
	{                                                                      \
		static type_(*real) parameters_;                               \
		if (!real)                                                     \
			real = (type_(*) parameters_)dlsym(RTLD_NEXT, #name_); \
		return fails() ? -1 : real arguments_;                         \
	}

WRAP(int, rename, (const char *a, const char *b), (a, b))
WRAP(int, renameat, (int d, const char *a, int f, const char *b), (d, a, f, b))
WRAP(int, linkat, (int d, const char *a, int f, const char *b, int g), (d, a, f, b, g))
WRAP(int, unlink, (const char *a), (a))
WRAP(int, unlinkat, (int d, const char *a, int f), (d, a, f))
WRAP(int, mkdir, (const char *a, mode_t m), (a, m))
WRAP(int, mkdirat, (int d, const char *a, mode_t m), (d, a, m))
WRAP(int, symlinkat, (const char *a, int d, const char *b), (a, d, b))
WRAP(int, fchmod, (int d, mode_t m), (d, m))
WRAP(int, fchmodat, (int d, const char *a, mode_t m, int f), (d, a, m, f))
WRAP(int, futimens, (int d, const struct timespec t[2]), (d, t))
WRAP(int, utimensat, (int d, const char *a, const struct timespec t[2], int f), (d, a, t, f))
WRAP(int, ftruncate, (int d, off_t n), (d, n))
WRAP(int, fallocate, (int d, int m, off_t o, off_t n), (d, m, o, n))
WRAP(int, fsync, (int d), (d))
WRAP(int, fdatasync, (int d), (d))
WRAP(int, syncfs, (int d), (d))
WRAP(ssize_t, pwrite, (int d, const void *p, size_t n, off_t o), (d, p, n, o))

/* NOLINTEND(bugprone-macro-parentheses) */

ssize_t
write(int d, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	/* What is said on the standard streams changes no file system. */
	return d > 2 && fails() ? -1 : real(d, p, n);
}

int
renameat2(int d, const char *a, int f, const char *b, unsigned flags)
{
	static int (*real)(int, const char *, int, const char *, unsigned);
	if (!real)
		real = (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT,
										      "renameat2");
	if (fails())
		return -1;
	if (flags && getenv("FAULT_NO_EXCHANGE")) {
		errno = EINVAL;
		return -1;
	}
	return real(d, a, f, b, flags);
}

int
openat(int d, const char *a, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	va_list ap;
	if (!real)
		real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return flags & O_CREAT && fails() ? -1 : real(d, a, flags, mode);
}
