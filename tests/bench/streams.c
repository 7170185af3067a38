/*
 * streams count address port list [header] - opens many event streams at once and tells how fast an
 * event reaches all of them.
 *
 * Each line of the file ${list} is a path to get and the journal behind it; the streams take them
 * in turn.  Prints "open <count> <ms>" when every stream has its head.  Then, for each line on
 * standard input, appends an event to every journal and prints "event <count> <ms>" when every
 * stream has it: the time since before the first was written.  Ends with its input, or after a
 * minute without news; exit 1 if not all saw an event.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define AT_ONCE 200 /* connections that wait for their head at the same time */

struct stream {
	bool open;    /* has its head */
	bool event;   /* had one since the last was written */
	char tail[8]; /* the last bytes read, to find "data: " across reads */
};

static struct stream *streams;
static int *fds;
static char **paths, **journals;
static int count, listed, opened, seen, closed;
static bool all_open, written;

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
read_list(const char *name)
{
	char path[2048], journal[2048];

	FILE *f = fopen(name, "re");
	if (f == NULL)
		die(name);
	while (fscanf(f, "%2047s %2047s", path, journal) == 2) {
		paths = realloc(paths, (size_t)(listed + 1) * sizeof *paths);
		journals = realloc(journals, (size_t)(listed + 1) * sizeof *journals);
		if (paths == NULL || journals == NULL)
			die("cannot begin");
		paths[listed] = strdup(path);
		journals[listed++] = strdup(journal);
	}
	(void)fclose(f);
	if (listed == 0)
		die("an empty list");
}

/* An event in every journal. */
static void
write_events(void)
{
	static const char line[] = "{\"type\":\"status\",\"status\":\"running\"}\n";

	for (int i = 0; i < listed; i++) {
		int fd = open(journals[i], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, line, sizeof line - 1) < 0)
			die(journals[i]);
		(void)close(fd);
	}
}

static int
dial(const struct sockaddr_in *to, const char *path, const char *header)
{
	char request[4096];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n",
		       path, header, header[0] != '\0' ? "\r\n" : "");
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) < 0)
		die("cannot connect");
	if (write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		die("cannot send");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("cannot set up a socket");
	return fd;
}

static bool
contains_event(struct stream *s, const char *p, size_t n)
{
	char joint[16];
	size_t m = n < 6 ? n : 6;

	memcpy(joint, s->tail, 6);
	memcpy(joint + 6, p, m);
	bool found = memmem(joint, 6 + m, "data: ", 6) != NULL || memmem(p, n, "data: ", 6) != NULL;
	if (n >= 6)
		memcpy(s->tail, p + n - 6, 6);
	else
		memmove(s->tail, joint + m, 6);
	return found;
}

/* Read what is there of stream ${i}. */
static void
take(int i)
{
	char piece[16384];
	struct stream *s = &streams[i];
	ssize_t n;

	while ((n = read(fds[i], piece, sizeof piece)) > 0) {
		if (!s->open) {
			s->open = true;
			opened++;
		}
		if (contains_event(s, piece, (size_t)n) && written && !s->event) {
			s->event = true;
			seen++;
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		(void)close(fds[i]);
		fds[i] = -1;
		closed++;
	}
}

/* A line of input: begin to count anew.  False at its end. */
static bool
command(double *began)
{
	char line[256];

	if (read(STDIN_FILENO, line, sizeof line) <= 0)
		return false;
	for (int i = 0; i < count; i++)
		streams[i].event = false;
	seen = 0;
	written = true;
	*began = now();
	write_events();
	return true;
}

static void
attend(int ep, int fd, uint32_t number)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = number};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
		die("cannot watch");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct rlimit files;
	struct epoll_event events[256];
	bool more = true;

	if (argc < 5 || (count = atoi(argv[1])) < 1)
		return 64;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		return 64;
	read_list(argv[4]);
	streams = calloc((size_t)count, sizeof *streams);
	fds = calloc((size_t)count, sizeof *fds);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (streams == NULL || fds == NULL || ep < 0)
		die("cannot begin");
	double began = now(), news = began;
	for (int dialled = 0; more && closed < count && now() - news < PATIENCE_MS;) {
		for (; dialled < count && dialled - opened < AT_ONCE; dialled++) {
			fds[dialled] = dial(&to, paths[dialled % listed], argc > 5 ? argv[5] : "");
			attend(ep, fds[dialled], (uint32_t)dialled);
		}
		int n = epoll_wait(ep, events, 256, 1000);
		for (int i = 0; i < n; i++)
			if (events[i].data.u32 == (uint32_t)count)
				more = command(&began);
			else
				take((int)events[i].data.u32);
		if (n > 0)
			news = now();
		if (!all_open && opened == count) {
			all_open = true;
			(void)printf("open %d %.0f\n", opened, now() - began);
			(void)fflush(stdout);
			attend(ep, STDIN_FILENO, (uint32_t)count);
		}
		if (written && seen == count) {
			written = false;
			(void)printf("event %d %.0f\n", seen, now() - began);
			(void)fflush(stdout);
		}
	}
	if (seen < count)
		(void)printf("missing %d %d\n", count - opened, count - seen);
	return seen == count ? 0 : 1;
}
