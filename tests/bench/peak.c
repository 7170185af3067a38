/*
 * peak name-prefix... - samples /proc until it is told to end (TERM), then prints, for every
 * program whose name begins with one of the prefixes, the largest peak resident set (VmHWM, kB)
 * that any process of it had.
 *
 * The kernel keeps the high-water mark itself, so a sample every few milliseconds misses only what
 * a process takes in its last moments.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRAMS 32

static struct {
	char name[32];
	long peak;
} seen[PROGRAMS];

static volatile sig_atomic_t stop;

static void
on_term(int number)
{
	(void)number;
	stop = 1;
}

static void
note(const char *name, long peak)
{
	for (int i = 0; i < PROGRAMS; i++) {
		if (seen[i].name[0] == '\0')
			(void)snprintf(seen[i].name, sizeof seen[i].name, "%s", name);
		if (strcmp(seen[i].name, name) != 0)
			continue;
		if (peak > seen[i].peak)
			seen[i].peak = peak;
		return;
	}
}

static void
look(const char *pid, char **prefixes)
{
	char path[64], line[256], name[32] = "";
	long peak = 0;

	(void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		(void)sscanf(line, "Name: %31s", name);
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = strtol(line + 6, NULL, 10);
	}
	(void)fclose(f);
	for (; *prefixes != NULL; prefixes++)
		if (peak > 0 && strncmp(name, *prefixes, strlen(*prefixes)) == 0)
			note(name, peak);
}

int
main(int argc, char **argv)
{
	const struct timespec pause = {0, 5000000};
	struct sigaction act = {.sa_handler = on_term};
	const struct dirent *d;

	if (argc < 2)
		return 64;
	(void)sigaction(SIGTERM, &act, NULL);
	while (!stop) {
		DIR *dir = opendir("/proc");
		if (dir == NULL)
			return 74;
		while ((d = readdir(dir)) != NULL)
			if (isdigit((unsigned char)d->d_name[0]))
				look(d->d_name, argv + 1);
		(void)closedir(dir);
		(void)nanosleep(&pause, NULL);
	}
	for (int i = 0; i < PROGRAMS && seen[i].name[0] != '\0'; i++)
		(void)printf("%s %ld\n", seen[i].name, seen[i].peak);
	return 0;
}
