/*
 * swarm count address port archive checksum [header] - many delegations at once, from one process.
 *
 * What a delegation costs the executor, without what a process of its own costs the delegator:
 * INVITE, the event stream, START with the base64-coded ${archive}, the snapshot and its end, ack;
 * each of the ${count} in a thread, with three connections, as awcp-invite has: for the stream, for
 * START, and for the rest.  Prints "done <count> <ms>" for those that brought a snapshot back; exit
 * 1 if not all did.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 65536

static struct sockaddr_in to = {.sin_family = AF_INET};
static const char *checksum, *header = "";
static char *archive, lease[32];
static pthread_t *threads;
static unsigned *numbers;

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *
read_text(const char *name)
{
	char *text = NULL;
	size_t room = 0;

	FILE *f = fopen(name, "re");
	if (f == NULL || getdelim(&text, &room, '\0', f) < 0) {
		perror(name);
		exit(1);
	}
	(void)fclose(f);
	return text;
}

static int
connect_to(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* Send a request. */
static bool
ask(int fd, const char *method, const char *path, const char *body)
{
	char head[2048];
	int n = snprintf(head, sizeof head,
			 "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n%s%s\r\n",
			 method, path, strlen(body), header, header[0] != '\0' ? "\r\n" : "");

	return fd >= 0 && send(fd, head, (size_t)n, body[0] != '\0' ? MSG_MORE : 0) == n &&
	       send(fd, body, strlen(body), 0) == (ssize_t)strlen(body);
}

/* Read more behind the ${have} bytes of ${text}. */
static bool
read_more(int fd, char *text, size_t *have)
{
	ssize_t n = read(fd, text + *have, ANSWER_MAX - 1 - *have);

	*have += n > 0 ? (size_t)n : 0;
	text[*have] = '\0';
	return n > 0;
}

/* Read until ${word} is among what came. */
static bool
read_until(int fd, char *text, size_t *have, const char *word)
{
	text[*have] = '\0';
	while (strstr(text, word) == NULL)
		if (!read_more(fd, text, have))
			return false;
	return true;
}

/* Ask, read the answer to its end, and see ${word} in it. */
static bool
told(int fd, const char *method, const char *path, const char *body, const char *word)
{
	char text[ANSWER_MAX];
	size_t have = 0, length = 0;

	text[0] = '\0';
	bool good = ask(fd, method, path, body) && read_until(fd, text, &have, "\r\n\r\n");
	const char *end = good ? strstr(text, "\r\n\r\n") + 4 : text;
	const char *says = good ? strcasestr(text, "\r\nContent-Length:") : NULL;
	if (says != NULL && says < end)
		length = strtoul(says + strlen("\r\nContent-Length:"), NULL, 10);
	while (good && have < (size_t)(end - text) + length)
		good = read_more(fd, text, &have);
	good = good && strstr(text, word) != NULL;
	if (!good)
		(void)fprintf(stderr, "swarm: %s %s: %s\n", method, path,
			      have > 0 ? text : "no answer");
	return good;
}

/* The same on a connection of its own. */
static bool
told_once(const char *method, const char *path, const char *body, const char *word)
{
	int fd = connect_to();
	bool good = told(fd, method, path, body, word);

	if (fd >= 0)
		(void)close(fd);
	return good;
}

static void *
delegate(void *number)
{
	char id[64], path[128], text[ANSWER_MAX], *body = NULL;
	size_t have = 0;
	int fd = connect_to(), stream = -1;
	bool good = false;

	(void)snprintf(id, sizeof id, "dlg_%08x%08x%016x", (unsigned)time(NULL), (unsigned)getpid(),
		       *(const unsigned *)number);
	(void)snprintf(path, sizeof path, "/awcp/tasks/%s/events", id);
	if (asprintf(&body,
		     "{\"version\":\"1\",\"type\":\"INVITE\",\"delegationId\":\"%s\","
		     "\"task\":{\"description\":\"bench\",\"prompt\":\"go\"},"
		     "\"lease\":{\"ttlSeconds\":600,\"accessMode\":\"rw\"},\"retentionMs\":600000,"
		     "\"environment\":{\"resources\":[{\"name\":\"ws\",\"type\":\"fs\","
		     "\"mode\":\"rw\"}]},\"requirements\":{\"transport\":\"archive\"}}",
		     id) < 0 ||
	    !told(fd, "POST", "/awcp", body, "\"ACCEPT\""))
		goto out;
	free(body);
	body = NULL;
	stream = connect_to();
	if (!ask(stream, "GET", path, "") || !read_until(stream, text, &have, "\r\n\r\n") ||
	    asprintf(&body,
		     "{\"version\":\"1\",\"type\":\"START\",\"delegationId\":\"%s\","
		     "\"lease\":{\"expiresAt\":\"%s\",\"accessMode\":\"rw\"},"
		     "\"transportHandle\":{\"transport\":\"archive\",\"workspaceBase64\":\"%s\","
		     "\"checksum\":\"%s\"}}",
		     id, lease, archive, checksum) < 0 ||
	    !told_once("POST", "/awcp", body, "\"ok\"") ||
	    !read_until(stream, text, &have, "\"snapshotBase64\":\"") ||
	    !read_until(stream, text, &have, "\"done\""))
		goto out;
	(void)snprintf(path, sizeof path, "/awcp/tasks/%s/ack", id);
	good = told(fd, "POST", path, "", "\"ok\"");
out:
	if (fd >= 0)
		(void)close(fd);
	if (stream >= 0)
		(void)close(stream);
	free(body);
	return good ? number : NULL;
}

int
main(int argc, char **argv)
{
	int done = 0, count;

	if (argc < 6 || (count = atoi(argv[1])) < 1 ||
	    inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		return 64;
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	archive = read_text(argv[4]);
	checksum = argv[5];
	if (argc > 6)
		header = argv[6];
	const time_t end = time(NULL) + 600;
	(void)strftime(lease, sizeof lease, "%Y-%m-%dT%H:%M:%S.000Z", gmtime(&end));
	threads = calloc((size_t)count, sizeof *threads);
	numbers = calloc((size_t)count, sizeof *numbers);
	if (threads == NULL || numbers == NULL)
		return 71;
	double began = now();
	for (int i = 0; i < count; i++) {
		numbers[i] = (unsigned)i;
		if (pthread_create(&threads[i], NULL, delegate, &numbers[i]) != 0)
			return 71;
	}
	for (int i = 0; i < count; i++) {
		void *good = NULL;
		(void)pthread_join(threads[i], &good);
		done += good != NULL;
	}
	(void)printf("done %d %.0f\n", done, now() - began);
	return done == count ? 0 : 1;
}
