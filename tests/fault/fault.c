/*
 * fault - a library for LD_PRELOAD that makes the n-th change to the file system go wrong.
 *
 *	FAULT=kill:12		the process is killed (SIGKILL) instead of making its 12th change
 *	FAULT=28:12		its 12th change fails with errno 28 (ENOSPC)
 *	FAULT=disk:12		its 12th change fails: the disk is full, or over quota, or broken,
 *by turns FAULT=run:12		before its 12th change the shell command in FAULT_RUN is run
 *	FAULT=28:12,kill:20	one after the other
 *	FAULT_NO_EXCHANGE=1	renameat2(2) knows no flags, as on an old file system
 *	FAULT_CALLS=file	at the end the number of changes is written there
 *	FAULT_SLOW=20		writing to a file takes so many ms longer
 *	FAULT_READ=file		the names of the files that are opened to be read are written there
 *
 * A change is a call of one of the functions below, by one of our programs: what they run in turn
 * (git, a shell) is left alone.
 *
 * An entry is what a crash leaves done or not done: a rename, or a line appended to a journal.
 *
 *	FAULT=before:3		the process is killed instead of making its 3rd entry
 *	FAULT=after:3		the process is killed when it has made its 3rd entry
 *	FAULT_ENTRIES=file	of 8 bytes: the entries of all who name it are counted there, as one
 *	FAULT_PROGRAM=awcp-run	only the entries of that program count
 *	FAULT_ALL=namespace	all processes of the pid namespace are killed, if it is not this one
 *				(readlink /proc/self/ns/pid)
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic long count;

/* Count a change; true if it is to fail, with errno set. */
static int
fails(void)
{
	char fault[128];
	const char *all = getenv("FAULT");
	if (strncmp(program_invocation_short_name, "awcp", 4) != 0)
		return 0;
	snprintf(fault, sizeof fault, "%s", all ? all : "");
	long n = ++count;
	for (char *rest, *one = strtok_r(fault, ",", &rest); one;
	     one = strtok_r(NULL, ",", &rest)) {
		const char *colon = strchr(one, ':');
		if (!colon || atol(colon + 1) != n || *one == 'b' || *one == 'a')
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
		const int broken[] = {ENOSPC, EDQUOT, EIO};
		errno = strncmp(one, "disk:", 5) == 0 ? broken[n % 3] : atoi(one);
		return 1;
	}
	return 0;
}

static int
is_victim(void)
{
	const char *program = getenv("FAULT_PROGRAM");
	if (program)
		return strcmp(program_invocation_short_name, program) == 0;
	return strncmp(program_invocation_short_name, "awcp", 4) == 0;
}

/* The number of this entry. */
static long
count_entry(void)
{
	static long own, *all = &own;
	const char *name = getenv("FAULT_ENTRIES");
	if (all == &own && name) {
		int fd = open(name, O_RDWR | O_CLOEXEC);
		void *shared = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (shared == MAP_FAILED)
			abort();
		close(fd);
		all = shared;
	}
	return __atomic_add_fetch(all, 1, __ATOMIC_SEQ_CST);
}

static void
die(void)
{
	char namespace[64] = "";
	const char *outside = getenv("FAULT_ALL");
	if (outside) {
		if (readlink("/proc/self/ns/pid", namespace, sizeof namespace - 1) < 0 ||
		    strcmp(namespace, outside) == 0)
			abort(); /* that would be everybody */
		kill(-1, SIGKILL);
	}
	kill(getpid(), SIGKILL);
	pause();
}

/* Entry ${n} is ${when} "before" or "after" it is made. */
static void
at_entry(const char *when, long n)
{
	const char *fault = getenv("FAULT");
	size_t length = strlen(when);
	if (fault && strncmp(fault, when, length) == 0 && fault[length] == ':' &&
	    atol(fault + length + 1) == n)
		die();
}

/* Is ${d} a log or a counter, of which no state depends, or where they are? */
static int
is_note(int d)
{
	char link[64], path[4096] = "";
	snprintf(link, sizeof link, "/proc/self/fd/%d", d);
	ssize_t n = d < 0 ? -1 : readlink(link, path, sizeof path - 2);
	if (n < 4)
		return 0;
	if (strcmp(path + n - 4, ".log") == 0)
		return 1;
	strcpy(path + n, "/");
	return strstr(path, "/log/") || strstr(path, "/metrics/");
}

static int
is_journal(int d)
{
	int flags = fcntl(d, F_GETFL);
	return d > 2 && flags >= 0 && (flags & O_APPEND) && !is_note(d);
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

/* Writing is slow, if somebody wants that. */
static void
dawdle(void)
{
	const char *ms = getenv("FAULT_SLOW");
	if (ms && strncmp(program_invocation_short_name, "awcp", 4) == 0)
		usleep((useconds_t)atoi(ms) * 1000);
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

/* The same for one that is an entry, too. */
#define WRAP_ENTRY(type_, name_, parameters_, arguments_)                      \
	type_ name_ parameters_                                                \
	{                                                                      \
		static type_(*real) parameters_;                               \
		if (!real)                                                     \
			real = (type_(*) parameters_)dlsym(RTLD_NEXT, #name_); \
		if (fails())                                                   \
			return -1;                                             \
		long n = is_victim() ? count_entry() : 0;                      \
		at_entry("before", n);                                         \
		type_ status = real arguments_;                                \
		at_entry("after", n);                                          \
		return status;                                                 \
	}

WRAP_ENTRY(int, rename, (const char *a, const char *b), (a, b))
WRAP_ENTRY(int, renameat, (int d, const char *a, int f, const char *b), (d, a, f, b))
WRAP(int, linkat, (int d, const char *a, int f, const char *b, int g), (d, a, f, b, g))
WRAP(int, unlink, (const char *a), (a))
WRAP(int, unlinkat, (int d, const char *a, int f), (d, a, f))
WRAP(int, mkdir, (const char *a, mode_t m), (a, m))
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

/* NOLINTEND(bugprone-macro-parentheses) */

ssize_t
pwrite(int d, const void *p, size_t n, off_t o)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	if (!real)
		real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
	if (!is_note(d) && fails())
		return -1;
	if (!is_note(d))
		dawdle();
	return real(d, p, n, o);
}

int
mkdirat(int d, const char *a, mode_t m)
{
	static int (*real)(int, const char *, mode_t);
	if (!real)
		real = (int (*)(int, const char *, mode_t))dlsym(RTLD_NEXT, "mkdirat");
	int note = strcmp(a, "log") == 0 || strcmp(a, "metrics") == 0;
	return !note && fails() ? -1 : real(d, a, m);
}

ssize_t
write(int d, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	/* What is said on the standard streams changes no file system. */
	if (d > 2 && !is_note(d) && fails())
		return -1;
	if (d > 2 && !is_note(d))
		dawdle();
	long entry = is_victim() && is_journal(d) ? count_entry() : 0;
	at_entry("before", entry);
	ssize_t status = real(d, p, n);
	at_entry("after", entry);
	return status;
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
	long n = is_victim() ? count_entry() : 0;
	at_entry("before", n);
	int status = real(d, a, f, b, flags);
	at_entry("after", n);
	return status;
}

/* Tell, if somebody asks, that ${name} is opened to be read. */
static void
tell_read(const char *name, int flags)
{
	const char *told = getenv("FAULT_READ");
	FILE *f = told && !(flags & (O_ACCMODE | O_DIRECTORY | O_PATH)) ? fopen(told, "a") : NULL;
	if (f) {
		fprintf(f, "%s\n", name);
		fclose(f);
	}
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
	tell_read(a, flags);
	return flags & O_CREAT && !is_note(d) && fails() ? -1 : real(d, a, flags, mode);
}
