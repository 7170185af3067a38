/*
 * queue - the queue from within one process, to be timed.
 *
 *	queue put name n	put n tasks, a batch at a time, each batch durable
 *	queue work name n	take and finish until n tasks were finished or none is left
 *	queue take name n	the median of n takes, in microseconds; they are handed back then
 *	queue list name n	the median of n pages of 50 tasks
 *	queue stats name n	the median of n times stats
 *	queue sync file n	the median of n times appending a line and fsync
 *	queue tube port n	put n jobs into a beanstalkd on 127.0.0.1, 64 on the way
 *	queue serve port n	reserve and delete n jobs, or until none is left
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "queue/queue.h"

#define BATCH 4096

static const char payload[] =
    "{\"payload\":\"a prompt of some sixty bytes, as a job of the others has it\"}";
static struct err why;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, why.message[0] ? why.message : strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
put(struct queue *q, size_t n)
{
	static json_t *task[BATCH];
	static struct queue_receipt receipt[BATCH];

	for (size_t done, left = n; left > 0; left -= done) {
		done = left < BATCH ? left : BATCH;
		/* Parsed each, as who reads them would. */
		for (size_t i = 0; i < done; i++)
			task[i] = json_loads(payload, 0, NULL);
		if (queue_put(q, task, done, receipt, &done, &why) < 0)
			die("put");
		for (size_t i = 0; i < done; i++)
			json_decref(task[i]);
	}
}

static int
take(struct queue *q, struct queue_claim **c)
{
	const struct queue_worker w = {.name = "bench", .lease = 600000};
	int status = queue_take(q, &w, c, NULL, &why);

	if (status < 0)
		die("take");
	return status;
}

static void
end(struct queue *q, struct queue_claim *c, enum queue_event event)
{
	const struct queue_outcome o = {.event = event, .exit = -1};

	if (queue_finish(q, queue_claim_id(c), &o, &why) < 0)
		die("finish");
	queue_claim_free(c);
}

static void
work(struct queue *q, size_t n)
{
	struct queue_claim *c;

	while (n-- > 0 && take(q, &c) == 1)
		end(q, c, QUEUE_COMPLETE);
}

static int
compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

static int
fifty(void *arg, const json_t *task)
{
	(void)task;
	return ++*(int *)arg == 50;
}

static void
look(struct queue *q, const char *what, size_t n)
{
	struct queue_claim **c = calloc(n, sizeof *c);
	double *took = calloc(n, sizeof *took);
	const struct queue_filter f = {.payload = true};

	for (size_t i = 0; i < n; i++) {
		int seen = 0;
		double begin = now();
		if (strcmp(what, "take") == 0)
			take(q, &c[i]);
		else if (strcmp(what, "stats") == 0)
			json_decref(queue_stats(q, NULL, &why));
		else
			queue_list(q, &f, fifty, &seen, &why);
		took[i] = now() - begin;
	}
	for (size_t i = 0; i < n; i++)
		if (c[i] != NULL)
			end(q, c[i], QUEUE_RETURN);
	qsort(took, n, sizeof *took, compare);
	printf("%.0f\n", took[n / 2]);
	free(took);
	free(c);
}

static void
sync_file(const char *name, size_t n)
{
	double *took = calloc(n, sizeof *took);
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);

	for (size_t i = 0; i < n; i++) {
		double begin = now();
		if (write(fd, payload, sizeof payload) < 0 || fsync(fd) < 0)
			die(name);
		took[i] = now() - begin;
	}
	qsort(took, n, sizeof *took, compare);
	printf("%.0f\n", took[n / 2]);
	free(took);
	close(fd);
}

/* A connection to beanstalkd. */
static FILE *
dial(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(port)),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		die("beanstalkd");
	return fdopen(fd, "r+");
}

static void
ask(FILE *f, const char *text, char *answer, int size)
{
	if (write(fileno(f), text, strlen(text)) < 0 || fgets(answer, size, f) == NULL)
		die("beanstalkd");
}

static void
tube(const char *port, size_t n)
{
	static char text[BATCH * 128], answer[256];
	FILE *f = dial(port);

	/* A window of 64 jobs without an answer yet, as clients that are in a hurry do. */
	for (size_t done = 0, some; done < n; done += some) {
		some = n - done < 64 ? n - done : 64;
		size_t length = 0;
		for (size_t i = 0; i < some; i++)
			length += (size_t)sprintf(text + length, "put 1 0 600 %zu\r\n%s\r\n",
						  strlen(payload), payload);
		if (write(fileno(f), text, length) != (ssize_t)length)
			die("beanstalkd");
		for (size_t i = 0; i < some; i++)
			if (fgets(answer, sizeof answer, f) == NULL ||
			    strncmp(answer, "INSERTED", 8) != 0)
				die(answer);
	}
	fclose(f);
}

static void
serve(const char *port, size_t n)
{
	char answer[512], order[64];
	FILE *f = dial(port);

	while (n-- > 0) {
		ask(f, "reserve-with-timeout 0\r\n", answer, sizeof answer);
		if (strncmp(answer, "RESERVED ", 9) != 0)
			break;
		snprintf(order, sizeof order, "delete %s\r\n", strtok(answer + 9, " "));
		if (fgets(answer, sizeof answer, f) == NULL)
			die("beanstalkd");
		ask(f, order, answer, sizeof answer);
	}
	fclose(f);
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	size_t n = strtoul(argv[3], NULL, 10);
	if (strcmp(argv[1], "tube") == 0) {
		tube(argv[2], n);
		return 0;
	}
	if (strcmp(argv[1], "serve") == 0) {
		serve(argv[2], n);
		return 0;
	}
	if (strcmp(argv[1], "sync") == 0) {
		sync_file(argv[2], n);
		return 0;
	}
	struct queue *q = queue_open(argv[2], true, &why);
	if (q == NULL)
		die("open");
	if (strcmp(argv[1], "put") == 0)
		put(q, n);
	else if (strcmp(argv[1], "work") == 0)
		work(q, n);
	else
		look(q, argv[1], n);
	queue_close(q);
	return 0;
}
