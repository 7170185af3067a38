#include "process/usage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "process/tree.h"

#define DIRECTORY_MS 1000  /* between two measurements of the directory, at least */
#define DIRECTORY_SHARE 20 /* and this many times as long as a measurement takes */
#define DEPTH 128          /* directories below each other; each takes a buffer while it is open */

/* Read the small file ${what} of process ${pid} into ${text}; false if it is gone. */
static bool
read_proc(pid_t pid, const char *what, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : file_read(fd, text, size - 1, NULL);
	file_close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

/* CPU time in ticks, of the process and of those it has waited for. */
static uint64_t
cpu_of(pid_t pid)
{
	uint64_t user, kernel, waited_user, waited_kernel;
	char text[1024];

	if (!read_proc(pid, "stat", text, sizeof text))
		return 0;
	const char *p = strrchr(text, ')'); /* its name may have anything in it */
	if (p == NULL || sscanf(p,
				") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
				" %" SCNu64 " %" SCNu64,
				&user, &kernel, &waited_user, &waited_kernel) != 4)
		return 0;
	return user + kernel + waited_user + waited_kernel;
}

/* Resident pages that belong to no file; such as are shared count for every process. */
static uint64_t
rough_memory_of(pid_t pid)
{
	uint64_t resident, shared;
	char text[256];

	if (!read_proc(pid, "statm", text, sizeof text) ||
	    sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident)
		return 0;
	return resident - shared;
}

/* The same in bytes, and those shared with others in proportion; this is slow. */
static uint64_t
exact_memory_of(pid_t pid)
{
	uint64_t sum = 0, kilobytes;
	char text[4096];

	if (!read_proc(pid, "smaps_rollup", text, sizeof text))
		return 0;
	static const char *const parts[] = {"\nPss_Anon:", "\nPss_Shmem:"};
	for (size_t i = 0; i < 2; i++) {
		const char *p = strstr(text, parts[i]);
		if (p != NULL && sscanf(p + strlen(parts[i]), "%" SCNu64, &kilobytes) == 1)
			sum += kilobytes * 1024;
	}
	return sum;
}

static int
check_processes(const struct usage *m, pid_t root, struct err *e)
{
	const struct sandbox *s = m->sandbox;
	struct process_tree t = PROCESS_TREE_INIT;
	uint64_t ticks = 0, memory = 0;
	int status = 0;

	process_tree_add(&t, root);
	for (size_t i = 0; i < t.count; i++) {
		if (s->cpu != 0)
			ticks += cpu_of(t.pid[i]);
		if (s->memory != 0)
			memory += rough_memory_of(t.pid[i]) * m->page;
	}
	if (s->memory != 0 && memory > s->memory) {
		memory = 0;
		for (size_t i = 0; i < t.count; i++)
			memory += exact_memory_of(t.pid[i]);
		if (memory > s->memory)
			status = err_set(e, ERR_TASK_FAILED,
					 "its processes use %" PRIu64 " MiB of memory, more than "
					 "the %" PRIu64 " MiB that a task may",
					 memory >> 20, s->memory >> 20);
	}
	if (status >= 0 && s->cpu != 0 && ticks / (uint64_t)m->ticks >= s->cpu)
		status = err_set(e, ERR_TASK_FAILED,
				 "it has used %" PRIu64 " s of CPU time, which is all that a task "
				 "may",
				 s->cpu);
	process_tree_free(&t);
	return status;
}

/* Open directories of a walk, innermost last. */
struct walk {
	DIR *open[DEPTH];
	size_t depth;
	dev_t device;
	uint64_t bytes; /* UINT64_MAX: too deep to be counted */
};

/* Count ${name} in the innermost directory, and enter it if it is one. */
static void
count_entry(struct walk *w, const char *name)
{
	int parent = dirfd(w->open[w->depth - 1]);
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != w->device)
		return;
	uint64_t bytes = (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode)) {
		w->bytes += st.st_nlink > 1 ? bytes / st.st_nlink : bytes;
		return;
	}
	w->bytes += bytes;
	if (w->depth == DEPTH) {
		w->bytes = UINT64_MAX;
		return;
	}
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL)
		file_close(fd);
	else
		w->open[w->depth++] = dir;
}

/* Bytes that the tree at ${path} takes on the disk; a file with several names counts once in all,
 * shared out among them.  UINT64_MAX if it is nested too deep. */
static uint64_t
measure_directory(const char *path)
{
	struct walk w = {.depth = 0};
	const struct dirent *d;
	struct stat st;

	DIR *top = opendir(path);
	if (top == NULL)
		return 0;
	if (fstat(dirfd(top), &st) == 0)
		w.device = st.st_dev;
	w.open[w.depth++] = top;
	while (w.depth > 0) {
		d = readdir(w.open[w.depth - 1]);
		if (d == NULL)
			(void)closedir(w.open[--w.depth]);
		else if (w.bytes != UINT64_MAX && strcmp(d->d_name, ".") != 0 &&
			 strcmp(d->d_name, "..") != 0)
			count_entry(&w, d->d_name);
	}
	return w.bytes;
}

void
usage_begin(struct usage *m, const struct sandbox *s, const char *directory)
{
	*m = (struct usage){.sandbox = s,
			    .directory = directory,
			    .ticks = sysconf(_SC_CLK_TCK),
			    .page = (uint64_t)sysconf(_SC_PAGESIZE)};
	if (s->disk == 0)
		return;
	m->baseline = measure_directory(directory);
	if (m->baseline == UINT64_MAX)
		m->baseline = 0; /* usage_check reports it */
}

int
usage_check(struct usage *m, pid_t root, struct err *e)
{
	const struct sandbox *s = m->sandbox;
	int64_t now = clock_steady();

	if ((s->memory != 0 || s->cpu != 0) && now >= m->next_processes) {
		m->next_processes = now + USAGE_MS;
		if (check_processes(m, root, e) < 0)
			return -1;
	}
	if (s->disk != 0 && now >= m->next_directory) {
		uint64_t bytes = measure_directory(m->directory);
		int64_t took = clock_steady() - now;
		m->next_directory = now + DIRECTORY_MS + took * DIRECTORY_SHARE;
		if (bytes == UINT64_MAX)
			return err_set(e, ERR_TASK_FAILED,
				       "its directory is nested more than %d deep, where it cannot "
				       "be measured",
				       DEPTH);
		if (bytes > m->baseline + s->disk)
			return err_set(e, ERR_TASK_FAILED,
				       "its directory has grown by %" PRIu64 " MiB, more than the "
				       "%" PRIu64 " MiB that a task may take",
				       (bytes - m->baseline) >> 20, s->disk >> 20);
	}
	return 0;
}
