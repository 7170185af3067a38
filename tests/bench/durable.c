/*
 * durable directory seconds - how often a second a small file can be made durable here, by one
 * thread: created, written, fsynced, renamed, its directory fsynced.  Prints the rate.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static const char text[630]; /* as much as a record */
	char name[32];
	int made = 0;

	int dir = argc == 3 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
	if (dir < 0)
		return 64;
	double began = now(), end = began + atof(argv[2]);
	while (now() < end) {
		(void)snprintf(name, sizeof name, "%d", made++);
		int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0 || write(fd, text, sizeof text) != sizeof text || fsync(fd) < 0 ||
		    close(fd) < 0 || renameat(dir, "new", dir, name) < 0 || fsync(dir) < 0) {
			perror(name);
			return 1;
		}
	}
	(void)printf("%.0f\n", made / (now() - began));
	return 0;
}
