/*
 * folding - a file system on which case and form of letters do not count, for one test program.
 *
 * While ${folding} is set, a name that is not there to the letter is that of whatever has the same
 * letters: functions of libc that take a name are replaced by ones that look for it first.  What is
 * made keeps the name that it was given.
 */
#ifndef FOLDING_H
#define FOLDING_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool folding;

#define REAL(name_) (__extension__(__typeof__(&(name_))) dlsym(RTLD_NEXT, #name_))

/* ASCII, and the letter e with an acute accent in its forms. */
static void
fold_letters(const char *name, char out[2 * NAME_MAX])
{
	static const struct {
		const char *from, *to;
	} forms[] = {
	    {"\303\211", "\303\251"}, {"e\314\201", "\303\251"}, {"E\314\201", "\303\251"}};

	while (*name != '\0') {
		size_t i = 0, n = sizeof forms / sizeof forms[0];
		while (i < n && strncmp(name, forms[i].from, strlen(forms[i].from)) != 0)
			i++;
		if (i < n) {
			out = stpcpy(out, forms[i].to);
			name += strlen(forms[i].from);
		} else {
			*out++ = (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
			name++;
		}
	}
	*out = '\0';
}

/* What ${name} is called in ${dirfd}; ${space} is for that. */
static const char *
folded_name(int dirfd, const char *name, char space[NAME_MAX + 1])
{
	char wanted[2 * NAME_MAX], other[2 * NAME_MAX];
	struct dirent *d;
	struct stat st;

	if (!folding || strchr(name, '/') != NULL || strlen(name) > NAME_MAX ||
	    REAL(fstatat)(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return name;
	int fd = REAL(openat)(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	fold_letters(name, wanted);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		fold_letters(d->d_name, other);
		if (strcmp(wanted, other) == 0) {
			name = strcpy(space, d->d_name);
			break;
		}
	}
	if (dir != NULL)
		closedir(dir);
	return name;
}

#define ONE_NAME(name_, parameters_, arguments_)          \
	int name_ parameters_                             \
	{                                                 \
		char space[NAME_MAX + 1];                 \
		const char *n = folded_name(d, a, space); \
		return REAL(name_) arguments_;            \
	}

/* NOLINTBEGIN */
ONE_NAME(fstatat, (int d, const char *restrict a, struct stat *restrict s, int f), (d, n, s, f))
ONE_NAME(faccessat, (int d, const char *a, int m, int f), (d, n, m, f))
ONE_NAME(unlinkat, (int d, const char *a, int f), (d, n, f))
ONE_NAME(mkdirat, (int d, const char *a, mode_t m), (d, n, m))
ONE_NAME(symlinkat, (const char *t, int d, const char *a), (t, d, n))
ONE_NAME(fchmodat, (int d, const char *a, mode_t m, int f), (d, n, m, f))
ONE_NAME(utimensat, (int d, const char *a, const struct timespec t[2], int f), (d, n, t, f))

#define TWO_NAMES(name_, parameters_, arguments_)              \
	int name_ parameters_                                  \
	{                                                      \
		char space[NAME_MAX + 1], other[NAME_MAX + 1]; \
		const char *n = folded_name(d, a, space);      \
		const char *m = folded_name(e, b, other);      \
		return REAL(name_) arguments_;                 \
	}

TWO_NAMES(renameat, (int d, const char *a, int e, const char *b), (d, n, e, m))
TWO_NAMES(renameat2, (int d, const char *a, int e, const char *b, unsigned f), (d, n, e, m, f))
TWO_NAMES(linkat, (int d, const char *a, int e, const char *b, int f), (d, n, e, m, f))

int
openat(int d, const char *a, int flags, ...)
{
	char space[NAME_MAX + 1];
	va_list ap;

	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return REAL(openat)(d, folded_name(d, a, space), flags, mode);
}

int __openat_2(int d, const char *a, int flags);

int
__openat_2(int d, const char *a, int flags)
{
	return openat(d, a, flags);
}

/* openat2(2) has no function. */
long
syscall(long number, ...)
{
	long x[6];
	va_list ap;

	if (folding && number == SYS_openat2) {
		errno = ENOSYS;
		return -1;
	}
	va_start(ap, number);
	for (size_t i = 0; i < 6; i++)
		x[i] = va_arg(ap, long);
	va_end(ap);
	return REAL(syscall)(number, x[0], x[1], x[2], x[3], x[4], x[5]);
}
/* NOLINTEND */

#endif
