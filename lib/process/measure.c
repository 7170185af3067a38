#include "process/measure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"

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

uint64_t
measure_cpu(const struct process_tree *t)
{
	uint64_t ticks = 0;

	for (size_t i = 0; i < t->count; i++)
		ticks += cpu_of(t->pid[i]);
	return ticks / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* The sum of the numbers after ${labels} in ${text}, which are kilobytes; in bytes. */
static uint64_t
add_up(const char *text, const char *const *labels)
{
	uint64_t sum = 0, kilobytes;

	for (; *labels != NULL; labels++) {
		const char *p = strstr(text, *labels);
		if (p != NULL && sscanf(p + strlen(*labels), "%" SCNu64, &kilobytes) == 1)
			sum += kilobytes * 1024;
	}
	return sum;
}

/* What all of ${t} use, as the file ${what} of each has it after ${labels}. */
static uint64_t
add_up_all(const struct process_tree *t, const char *what, const char *const *labels)
{
	uint64_t sum = 0;
	char text[4096];

	for (size_t i = 0; i < t->count; i++)
		if (read_proc(t->pid[i], what, text, sizeof text))
			sum += add_up(text, labels);
	return sum;
}

/* What lies in the file system in memory at ${path}, as process ${pid} sees it; 0 if it is ours. */
static uint64_t
in_memory(pid_t pid, const char *path)
{
	struct stat own, st;
	struct statfs fs;
	char there[64];

	(void)snprintf(there, sizeof there, "/proc/%d/root%s", (int)pid, path);
	if (stat(there, &st) < 0 || (stat(path, &own) == 0 && own.st_dev == st.st_dev) ||
	    statfs(there, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return 0;
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
}

/* What ${t} has in files in memory. */
static uint64_t
files_in_memory(const struct process_tree *t)
{
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = t->count; i > 0 && sum == 0; i--) /* the last ones are surely inside */
		sum = in_memory(t->pid[i - 1], "/tmp") + in_memory(t->pid[i - 1], "/dev/shm");
	int fd = memfd_create("measure", MFD_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0)
		sum += measure_unnamed(t, st.st_dev);
	file_close(fd);
	return sum;
}

uint64_t
measure_memory(const struct process_tree *t, uint64_t limit)
{
	static const char *const rough[] = {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:", NULL};
	static const char *const own[] = {"\nPss_Anon:", "\nSwapPss:", NULL};
	static const char *const shared[] = {"\nPss_Shmem:", NULL};

	uint64_t files = files_in_memory(t), sum = add_up_all(t, "status", rough) + files;
	if (sum <= limit)
		return sum;
	/* Slow.  A file that is mapped is in both. */
	uint64_t mapped = add_up_all(t, "smaps_rollup", shared);
	return add_up_all(t, "smaps_rollup", own) + (mapped > files ? mapped : files);
}

/* Files that were counted. */
struct counted {
	ino_t *inode;
	size_t count, cap;
};

/* Is ${inode} counted now for the first time? */
static bool
is_new(struct counted *c, ino_t inode)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->inode[i] == inode)
			return false;
	ino_t *more = array_grow(c->inode, c->count + 1, &c->cap, sizeof *more, NULL);
	if (more == NULL)
		return false;
	c->inode = more;
	c->inode[c->count++] = inode;
	return true;
}

uint64_t
measure_unnamed(const struct process_tree *t, dev_t device)
{
	struct counted c = {NULL, 0, 0};
	uint64_t sum = 0;
	struct stat st;
	char path[64];

	for (size_t i = 0; i < t->count; i++) {
		(void)snprintf(path, sizeof path, "/proc/%d/fd", (int)t->pid[i]);
		DIR *dir = opendir(path); /* NULL: it is gone */
		for (const char *name; (name = file_next(&dir)) != NULL;)
			if (fstatat(dirfd(dir), name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
			    st.st_nlink == 0 && st.st_dev == device && is_new(&c, st.st_ino))
				sum += (uint64_t)st.st_blocks * 512;
	}
	free(c.inode);
	return sum;
}

/* Open directories of a walk, innermost last. */
struct walk {
	DIR *open[MEASURE_DEPTH];
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
	if (w->depth == MEASURE_DEPTH) {
		w->bytes = UINT64_MAX;
		return;
	}
	DIR *dir = file_list(parent, name);
	if (dir != NULL)
		w->open[w->depth++] = dir;
}

uint64_t
measure_directory(const char *path)
{
	struct walk w = {.depth = 0};
	struct stat st;

	DIR *top = opendir(path);
	if (top == NULL)
		return 0;
	if (fstat(dirfd(top), &st) == 0)
		w.device = st.st_dev;
	w.open[w.depth++] = top;
	while (w.depth > 0) {
		const char *name = file_next(&w.open[w.depth - 1]);
		if (name == NULL)
			w.depth--;
		else if (w.bytes != UINT64_MAX)
			count_entry(&w, name);
	}
	return w.bytes;
}
