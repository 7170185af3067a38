/*
 * clock - a library for LD_PRELOAD with which the wall clock of our programs goes wrong: by the
 * number of seconds that the file FAULT_CLOCK says at that moment.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int
clock_gettime(clockid_t which, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *name = getenv("FAULT_CLOCK");
	int before = errno;
	long seconds = 0;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int status = real(which, t);
	if (which != CLOCK_REALTIME || !name ||
	    strncmp(program_invocation_short_name, "awcp", 4) != 0)
		return status;
	FILE *f = fopen(name, "re");
	if (f && fscanf(f, "%ld", &seconds) == 1)
		t->tv_sec += seconds;
	if (f)
		fclose(f);
	errno = before;
	return status;
}
