/* metrics: what many processes count is what is read, whatever happens to them. */
#include "log/metrics.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"

#define PROCESSES 8
#define COUNTS 500

static char *
print(void)
{
	static struct buf out = BUF_INIT(1 << 20);
	static struct err e;

	buf_clear(&out);
	return metrics_print(&out, &e) == 0 ? out.data : e.message;
}

static bool
says(const char *line)
{
	return strstr(print(), line) != NULL;
}

static void
check_one(void)
{
	metrics_count(METRIC_REAPED, "leases", NULL, 3);
	metrics_count(METRIC_REAPED, "leases", NULL, 4);
	metrics_count(METRIC_DELIVERIES, "invite", "OK", 1);
	metrics_count(METRIC_ERRORS, "a \"b\" \\ \n", "with a name longer than any label may be",
		      1);
	CHECK(says("# TYPE awcp_reaped_total counter\nawcp_reaped_total{kind=\"leases\"} 7\n"),
	      "a counter with a label adds up");
	CHECK(says("awcp_deliveries_total{step=\"invite\",outcome=\"OK\"} 1\n"),
	      "a counter may have two labels");
	CHECK(says("{where=\"a _b_ _ _\",code=\"with a name longer than any lab\"} 1\n"),
	      "a label's value needs no quoting, and is cut");
}

static void
check_duration(void)
{
	metrics_observe(METRIC_RUN, 7);
	metrics_observe(METRIC_RUN, 100);
	metrics_observe(METRIC_RUN, 99000);
	metrics_observe(METRIC_RUN, INT64_C(1) << 40);
	metrics_observe(METRIC_RUN, -5);
	CHECK(says("awcp_task_run_seconds_bucket{le=\"0.01\"} 2\n"
		   "awcp_task_run_seconds_bucket{le=\"0.05\"} 2\n"
		   "awcp_task_run_seconds_bucket{le=\"0.1\"} 3\n"),
	      "a duration counts in every bucket that it fits");
	CHECK(says("awcp_task_run_seconds_bucket{le=\"+Inf\"} 5\n"
		   "awcp_task_run_seconds_sum 1099511726.883\n"
		   "awcp_task_run_seconds_count 5\n"),
	      "and in the sum");
	CHECK(says("awcp_start_delay_seconds_bucket{le=\"+Inf\"} 0\n"),
	      "one that never happened is there, too");
}

/* Children that count and are killed at any moment lose at most the count they were at. */
static void
check_processes(void)
{
	pid_t child[PROCESSES];
	char line[100];

	for (int i = 0; i < PROCESSES; i++)
		if ((child[i] = fork()) == 0) {
			for (int n = 0; n < COUNTS; n++)
				metrics_count(METRIC_REAPED, "orphans", NULL, 1);
			_exit(0);
		}
	for (int i = 0; i < PROCESSES; i++)
		(void)waitpid(child[i], NULL, 0);
	(void)snprintf(line, sizeof line, "{kind=\"orphans\"} %d\n", PROCESSES * COUNTS);
	CHECK(says(line), "what processes count at the same time adds up");
	CHECK(says("{kind=\"leases\"} 7\n"), "and their parent's is not counted twice");
	unsigned long long last = PROCESSES * COUNTS;
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				metrics_count(METRIC_REAPED, "orphans", NULL, 1);
		(void)usleep(3000);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		const char *at = strstr(print(), "{kind=\"orphans\"} ");
		unsigned long long now = at == NULL ? 0 : strtoull(at + 17, NULL, 10);
		if (now < last)
			CHECK(now >= last, "a counter never goes back: %llu after %llu", now, last);
		last = now;
	}
	CHECK(last > PROCESSES * COUNTS, "what those counted that were killed is there");
	CHECK(access("state/metrics/30", F_OK) < 0, "their files are used again");
}

/* A reader never sees half a number. */
static void
check_reader(void)
{
	pid_t pid = fork();
	int bad = 0;

	if (pid == 0)
		for (;;) /* all bytes change with every count */
			metrics_count(METRIC_BYTES, "x", "in", UINT64_C(0x0101010101010101));
	for (int i = 0; i < 300; i++) {
		const char *at = strstr(print(), "direction=\"in\"} ");
		uint64_t n = at == NULL ? 0 : strtoull(at + 16, NULL, 10);
		/* -255 is the inverse of that number: this is how often it was added. */
		bad += n * (UINT64_C(0) - 255) >= UINT64_C(1) << 40;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	CHECK_INT(bad, 0, "a number is read whole while it is written");
}

static void
check_levels(void)
{
	int ready[2];
	char c;

	if (pipe(ready) < 0)
		scratch_fail("pipe");
	metrics_level(METRIC_STREAMS, 2);
	pid_t pid = fork();
	if (pid == 0) {
		metrics_level(METRIC_STREAMS, 5);
		metrics_level(METRIC_STREAMS, -1);
		(void)!write(ready[1], "x", 1);
		(void)pause();
	}
	(void)!read(ready[0], &c, 1);
	CHECK(says("\nawcp_open_streams 6\n"), "a level is that of all who live");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	CHECK(says("\nawcp_open_streams 2\n"), "what was open in one that died is not any more");
	pid = fork();
	if (pid == 0) {
		metrics_level(METRIC_STREAMS, 1);
		(void)!write(ready[1], "x", 1);
		(void)pause();
	}
	(void)!read(ready[0], &c, 1);
	CHECK(says("\nawcp_open_streams 3\n"), "nor for the next one with its file");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void
check_trouble(void)
{
	char junk[1000];
	pid_t pid;

	memset(junk, 0xa5, sizeof junk);
	scratch_file("state/metrics/40", junk, sizeof junk);
	if (mkfifo("state/metrics/41", 0600) < 0)
		scratch_fail("mkfifo");
	scratch_text("state/metrics/readme", "hello");
	CHECK(says("{kind=\"leases\"} 7\n"), "files that are no counters are passed over");
	if ((pid = fork()) == 0) {
		char name[40];
		for (int i = 0; i < 50; i++) {
			(void)snprintf(name, sizeof name, "state/metrics/%d", i);
			(void)unlink(name);
			(void)mkfifo(name, 0600);
		}
		metrics_count(METRIC_REAPED, "leases", NULL, 1);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	CHECK(access("state/metrics/50", F_OK) == 0, "a pipe in the place of a file hangs nobody");
	metrics_count(METRIC_REAPED, "leases", NULL, 1);
	CHECK(says("{kind=\"leases\"} 2\n"), "who has lost its file takes another");
}

int
main(void)
{
	scratch_open();
	(void)setenv("AWCP_HOME", "state", 1);
	check_one();
	check_duration();
	check_processes();
	check_reader();
	check_levels();
	check_trouble();
	return check_end();
}
