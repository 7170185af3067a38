#include "log/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"

#define AGAIN_MS 10000 /* after which a process that got no file tries again */

#define COUNTER(name, a, b, help)                  \
	{                                          \
		name, METRIC_COUNTER, {a, b}, help \
	}
#define DURATION(name, help)                        \
	{                                           \
		name, METRIC_DURATION, {NULL}, help \
	}

const struct metric_description metrics_known[METRICS] = {
    [METRIC_DELEGATIONS] = COUNTER("awcp_delegations_entered_total", "state", NULL,
				   "Delegations that came into a state."),
    [METRIC_ASSIGNMENTS] = COUNTER("awcp_assignments_entered_total", "state", NULL,
				   "Assignments that came into a state."),
    [METRIC_DELIVERIES] = COUNTER("awcp_deliveries_total", "step", "outcome",
				  "Steps between delegator and executor."),
    [METRIC_BYTES] = COUNTER("awcp_delivery_bytes_total", "side", "direction",
			     "Bytes of bodies that were received and sent in them."),
    [METRIC_ERRORS] = COUNTER("awcp_errors_total", "where", "code",
			      "Requests refused, and work that ended badly, by code."),
    [METRIC_REAPED] =
	COUNTER("awcp_reaped_total", "kind", NULL, "What awcp-reap ended, retired or removed."),
    [METRIC_STREAMS] = {"awcp_open_streams", METRIC_LEVEL, {NULL}, "Event streams open now."},
    [METRIC_START_DELAY] = DURATION("awcp_start_delay_seconds", "From an INVITE to its START."),
    [METRIC_RUN] = DURATION("awcp_task_run_seconds", "How long tasks ran."),
    [METRIC_DELEGATION] =
	DURATION("awcp_delegation_seconds", "From the creation of a delegation to its end."),
};

const int64_t metrics_bucket[] = {10,    50,    100,    500,    1000,    5000,     10000,
				  30000, 60000, 300000, 900000, 3600000, INT64_MAX};

/* The file of this process, and what is in it. */
static struct {
	pthread_mutex_t lock;
	pid_t pid; /* whose file it is: a child of ours needs its own */
	int fd;
	int64_t again; /* clock_steady before which no file is looked for */
	struct metrics_slot *slot;
	size_t count, cap;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void
write_slot(size_t i)
{
	const struct metrics_slot *s = &own.slot[i];

	/* Where it fails, the next count of this slot writes the right value. */
	ssize_t n = pwrite(own.fd, s, sizeof *s, (off_t)(i * sizeof *s));
	(void)n;
}

int
metric_named(const char name[METRICS_NAME])
{
	for (int m = 0; m < METRICS; m++)
		if (strncmp(name, metrics_known[m].name, METRICS_NAME) == 0)
			return m;
	return -1;
}

static bool
reserve_slots(size_t count)
{
	struct metrics_slot *more = array_grow(own.slot, count, &own.cap, sizeof *more, NULL);

	if (more != NULL)
		own.slot = more;
	return more != NULL || count == 0;
}

/* Read what earlier processes left in the file; nothing is open that they had open. */
static bool
load_slots(int fd, off_t size)
{
	size_t count = (size_t)size / sizeof *own.slot;

	if (count > METRICS_SLOTS || !reserve_slots(count) ||
	    pread(fd, own.slot, count * sizeof *own.slot, 0) != (ssize_t)(count * sizeof *own.slot))
		return false;
	own.fd = fd;
	own.count = count;
	for (size_t i = 0; i < count; i++) {
		int m = metric_named(own.slot[i].name);
		if (own.slot[i].value == 0 || m < 0 || metrics_known[m].kind != METRIC_LEVEL)
			continue;
		own.slot[i].value = 0;
		own.slot[i].check = ~UINT64_C(0);
		write_slot(i);
	}
	return true;
}

/* Take file ${n}: 1, 0 if somebody has it, -1 if there is no use in trying others. */
static int
take_file(int dirfd, int n)
{
	char name[16];
	struct stat st;

	(void)snprintf(name, sizeof name, "%d", n);
	int fd = openat(dirfd, name,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? 0 : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_nlink == 1 && load_slots(fd, st.st_size))
		return 1;
	file_close(fd);
	return 0;
}

/* Make sure that there is a file to count in; the lock is held. */
static bool
have_file(void)
{
	struct stat st;
	int taken = 0;

	if (own.pid != getpid()) { /* the lock on it stays our parent's */
		own.again = 0;
		own.pid = getpid();
		file_close(own.fd);
		own.fd = -1;
	}
	if (own.fd >= 0 && fstat(own.fd, &st) == 0 && st.st_nlink > 0)
		return true;
	file_close(own.fd);
	own.fd = -1;
	own.count = 0;
	int64_t now = clock_steady();
	if (now < own.again)
		return false;
	int dirfd = home_dir(METRICS_DIR, NULL);
	for (int n = 0; dirfd >= 0 && taken == 0 && n < METRICS_FILES; n++)
		taken = take_file(dirfd, n);
	if (taken != 1)
		own.again = now + AGAIN_MS;
	return taken == 1;
}

static void
put_text(char *out, size_t size, const char *text)
{
	for (size_t i = 0; i + 1 < size && text != NULL && text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];
		out[i] = (char)(c < ' ' || c >= 0x7f || c == '"' || c == '\\' ? '_' : c);
	}
}

/* Add ${n} to the slot of ${m}; the lock is held. */
static void
add_to_slot(enum metric m, const char *a, const char *b, uint64_t n)
{
	struct metrics_slot wanted = {.check = ~UINT64_C(0)};
	const size_t key = offsetof(struct metrics_slot, value);
	size_t i = 0;

	put_text(wanted.name, sizeof wanted.name, metrics_known[m].name);
	put_text(wanted.label[0], METRICS_LABEL, a);
	put_text(wanted.label[1], METRICS_LABEL, b);
	while (i < own.count && memcmp(&own.slot[i], &wanted, key) != 0)
		i++;
	if (i == own.count) {
		if (own.count == METRICS_SLOTS || !reserve_slots(own.count + 1))
			return;
		own.slot[own.count++] = wanted;
	}
	own.slot[i].value += n;
	own.slot[i].check = ~own.slot[i].value;
	write_slot(i);
}

void
metrics_count(enum metric m, const char *a, const char *b, uint64_t n)
{
	(void)pthread_mutex_lock(&own.lock);
	if (have_file())
		add_to_slot(m, a, b, n);
	(void)pthread_mutex_unlock(&own.lock);
}

void
metrics_level(enum metric m, int64_t change)
{
	metrics_count(m, NULL, NULL, (uint64_t)change);
}

void
metrics_observe(enum metric m, int64_t ms)
{
	char end[METRICS_LABEL];
	size_t i = 0;

	if (ms < 0)
		ms = 0; /* the clock was set back */
	while (ms > metrics_bucket[i])
		i++;
	(void)snprintf(end, sizeof end, "%" PRId64, metrics_bucket[i]);
	(void)pthread_mutex_lock(&own.lock);
	if (have_file()) {
		add_to_slot(m, end, NULL, 1);
		add_to_slot(m, "sum", NULL, (uint64_t)ms);
	}
	(void)pthread_mutex_unlock(&own.lock);
}
