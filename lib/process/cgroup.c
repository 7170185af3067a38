#include "process/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define TASK "awcp-task-"
#define WORKER "awcp-run"
#define OVERHEAD 8 /* processes of the sandbox itself */
#define TRIES 100  /* to remove a group whose last processes are just going */
#define TRY_MS 2

/* The path of this process's group in the hierarchy of ${controller} (NULL: the common one). */
static bool
find_group(const char *controller, char path[PATH_MAX])
{
	char line[PATH_MAX + 256];
	bool found = false;

	FILE *list = fopen("/proc/self/cgroup", "re");
	if (list == NULL)
		return false;
	while (!found && fgets(line, sizeof line, list) != NULL) {
		char *names = strchr(line, ':');
		char *group = names == NULL ? NULL : strchr(names + 1, ':');
		if (group == NULL)
			continue;
		*names++ = '\0';
		*group++ = '\0';
		found = controller == NULL ? strcmp(line, "0") == 0
					   : text_lists(names, ",", controller);
		if (found)
			(void)snprintf(path, PATH_MAX, "%.*s", (int)strcspn(group, "\n"), group);
	}
	(void)fclose(list);
	return found;
}

/* Where that hierarchy is mounted, and which of its groups is the top there. */
static bool
find_mount(const char *controller, char point[PATH_MAX], char top[PATH_MAX])
{
	char line[4 * PATH_MAX], type[64], options[1024];
	bool found = false;

	FILE *list = fopen("/proc/self/mountinfo", "re");
	if (list == NULL)
		return false;
	while (!found && fgets(line, sizeof line, list) != NULL) {
		const char *more = strstr(line, " - ");
		if (more == NULL || sscanf(more, " - %63s %*s %1023s", type, options) != 2 ||
		    sscanf(line, "%*d %*d %*s %4095s %4095s", top, point) != 2)
			continue;
		found = controller == NULL
			    ? strcmp(type, "cgroup2") == 0
			    : strcmp(type, "cgroup") == 0 && text_lists(options, ",", controller);
	}
	(void)fclose(list);
	return found;
}

/* Open the directory below which groups of tasks are made; -1 if there is none. */
static int
open_parent(const char *controller)
{
	char group[PATH_MAX], point[PATH_MAX], top[PATH_MAX], path[2 * PATH_MAX];
	size_t n;

	if (!find_group(controller, group) || !find_mount(controller, point, top))
		return -1;
	n = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(group, top, n) != 0)
		n = 0; /* the mount is of another namespace than the path */
	(void)snprintf(path, sizeof path, "%s%s", point, group + n);
	char *last = strrchr(path, '/');
	if (controller == NULL && last != NULL && strcmp(last + 1, WORKER) == 0)
		*last = '\0';
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
write_text(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	bool written = fd >= 0 && write(fd, text, n) == (ssize_t)n;

	file_close(fd);
	return written;
}

static bool
write_number(int dirfd, const char *name, uint64_t n)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%" PRIu64, n);
	return write_text(dirfd, name, text);
}

/* The number after ${label} in the small file ${name}, or at its beginning; -1 if it is not there.
 */
static int64_t
read_number(int dirfd, const char *name, const char *label)
{
	char text[2048];

	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : file_read(fd, text, sizeof text - 1, NULL);
	file_close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	const char *p = label[0] == '\0' ? text : strstr(text, label);
	return p == NULL ? -1 : strtoll(p + strlen(label), NULL, 10);
}

/* Remove what a worker that was killed has left. */
static void
remove_leftovers(int parentfd)
{
	DIR *dir = file_list(parentfd, ".");

	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (strncmp(name, TASK, strlen(TASK)) != 0)
			continue;
		pid_t pid = (pid_t)strtol(name + strlen(TASK), NULL, 10);
		if (pid == getpid() || (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH))
			(void)unlinkat(parentfd, name, AT_REMOVEDIR);
	}
}

/* Make our group below ${parentfd}, which is taken; the number of the part, or -1. */
static int
add_part(struct cgroup *g, int parentfd, bool unified)
{
	int dirfd = -1, joinfd = -1, i = (int)g->count;

	if (parentfd < 0)
		return -1;
	remove_leftovers(parentfd);
	if (mkdirat(parentfd, g->name, 0755) == 0) {
		dirfd = openat(parentfd, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		joinfd = dirfd < 0 ? -1 : openat(dirfd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (joinfd < 0)
			(void)unlinkat(parentfd, g->name, AT_REMOVEDIR);
	}
	if (joinfd < 0) {
		file_close(dirfd);
		file_close(parentfd);
		return -1;
	}
	g->parentfd[i] = parentfd;
	g->dirfd[i] = dirfd;
	g->joinfd[i] = joinfd;
	g->joinfd[i + 1] = -1;
	g->unified[i] = unified;
	g->count++;
	return i;
}

/* Our group in the common hierarchy. */
static int
unified_part(struct cgroup *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->unified[i])
			return (int)i;
	int parentfd = open_parent(NULL);
	if (parentfd < 0)
		return -1;
	(void)write_text(parentfd, "cgroup.subtree_control", "+memory"); /* which may be missing */
	(void)write_text(parentfd, "cgroup.subtree_control", "+pids");
	return add_part(g, parentfd, true);
}

/* Memory is all that a task has: what is swapped out counts, too. */
static void
limit_memory(struct cgroup *g, uint64_t bytes)
{
	int i = add_part(g, open_parent("memory"), false);

	if (i >= 0 && write_number(g->dirfd[i], "memory.limit_in_bytes", bytes)) {
		(void)write_number(g->dirfd[i], "memory.memsw.limit_in_bytes", bytes);
		g->memory = i;
		return;
	}
	i = unified_part(g);
	if (i < 0 || !write_number(g->dirfd[i], "memory.max", bytes))
		return;
	(void)write_number(g->dirfd[i], "memory.swap.max", 0);
	(void)write_number(g->dirfd[i], "memory.oom.group", 1);
	g->memory = i;
}

/* RLIMIT_NPROC limits them exactly; this does so too where somebody is exempt from that. */
static void
limit_processes(struct cgroup *g, uint64_t count)
{
	int i = add_part(g, open_parent("pids"), false);

	if (i < 0)
		i = unified_part(g);
	if (i >= 0)
		(void)write_number(g->dirfd[i], "pids.max", count + OVERHEAD);
}

static void
count_cpu(struct cgroup *g)
{
	int i = add_part(g, open_parent("cpuacct"), false);

	g->cpu = i >= 0 ? i : unified_part(g);
}

void
cgroup_prepare(const struct sandbox *s)
{
	char text[32], own[32];
	int parentfd;

	/* Only the machine's own top has no type; that one may have groups and processes. */
	if (s->kind == SANDBOX_NONE || (s->memory == 0 && s->processes == 0) ||
	    (parentfd = open_parent(NULL)) < 0)
		return;
	int fd = openat(parentfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : file_read(fd, text, sizeof text - 1, NULL);
	file_close(fd);
	(void)snprintf(own, sizeof own, "%ld\n", (long)getpid());
	if (n > 0 && (size_t)n == strlen(own) && memcmp(text, own, (size_t)n) == 0 &&
	    faccessat(parentfd, "cgroup.type", F_OK, 0) == 0 &&
	    (mkdirat(parentfd, WORKER, 0755) == 0 || errno == EEXIST))
		(void)write_text(parentfd, WORKER "/cgroup.procs", "0");
	file_close(parentfd);
}

void
cgroup_open(struct cgroup *g, const struct sandbox *s)
{
	*g = (struct cgroup){.joinfd = {-1}, .memory = -1, .cpu = -1};
	if (s->kind == SANDBOX_NONE)
		return;
	(void)snprintf(g->name, sizeof g->name, TASK "%ld", (long)getpid());
	if (s->memory != 0)
		limit_memory(g, s->memory);
	if (s->processes != 0)
		limit_processes(g, s->processes);
	if (s->cpu != 0)
		count_cpu(g);
}

bool
cgroup_out_of_memory(const struct cgroup *g)
{
	if (g->memory < 0)
		return false;
	return read_number(g->dirfd[g->memory],
			   g->unified[g->memory] ? "memory.events" : "memory.oom_control",
			   "oom_kill ") > 0;
}

int64_t
cgroup_cpu(const struct cgroup *g)
{
	int64_t n;

	if (g->cpu < 0)
		return -1;
	if (g->unified[g->cpu]) {
		n = read_number(g->dirfd[g->cpu], "cpu.stat", "usage_usec ");
		return n < 0 ? -1 : n / 1000;
	}
	n = read_number(g->dirfd[g->cpu], "cpuacct.usage", "");
	return n < 0 ? -1 : n / 1000000;
}

void
cgroup_close(struct cgroup *g)
{
	const struct timespec pause = {.tv_nsec = TRY_MS * 1000000L};

	for (size_t i = 0; i < g->count; i++) {
		for (int n = 0; n < TRIES && unlinkat(g->parentfd[i], g->name, AT_REMOVEDIR) < 0 &&
				errno == EBUSY;
		     n++)
			(void)nanosleep(&pause, NULL);
		file_close(g->joinfd[i]);
		file_close(g->dirfd[i]);
		file_close(g->parentfd[i]);
	}
	*g = (struct cgroup){.joinfd = {-1}, .memory = -1, .cpu = -1};
}
