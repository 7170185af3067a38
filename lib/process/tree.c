#include "process/tree.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"

#define MAX_PROCESSES (1024 * 1024)
#define HUNTS 500 /* rounds, HUNT_MS apart */
#define HUNT_MS 10

static bool
add_process(struct process_tree *t, pid_t pid)
{
	pid_t *more = t->count == MAX_PROCESSES
			  ? NULL
			  : array_grow(t->pid, t->count + 1, &t->cap, sizeof *more, NULL);

	if (more == NULL)
		return false;
	t->pid = more;
	t->pid[t->count++] = pid;
	return true;
}

/* Append the children of ${pid}; the system keeps them by the thread that made them. */
static void
add_children(struct process_tree *t, pid_t pid)
{
	char path[64];
	int child;

	(void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path); /* NULL: it is gone */
	for (const char *name; (name = file_next(&tasks)) != NULL;) {
		(void)snprintf(path, sizeof path, "%.20s/children", name);
		int fd = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
		FILE *list = fd < 0 ? NULL : fdopen(fd, "r");
		if (list == NULL) {
			file_close(fd);
			continue;
		}
		while (fscanf(list, "%d", &child) == 1 && add_process(t, child))
			;
		(void)fclose(list);
	}
}

void
process_tree_add(struct process_tree *t, pid_t root)
{
	size_t next = t->count;

	add_children(t, root);
	while (next < t->count)
		add_children(t, t->pid[next++]);
}

void
process_tree_free(struct process_tree *t)
{
	free(t->pid);
	*t = (struct process_tree)PROCESS_TREE_INIT;
}

void
process_tree_signal(pid_t root, int signal)
{
	struct process_tree t = PROCESS_TREE_INIT;

	process_tree_add(&t, root);
	for (size_t i = 0; i < t.count; i++)
		(void)kill(t.pid[i], signal);
	process_tree_free(&t);
}

bool
process_carries(int procfd, const char *pid, const char *prefix, struct buf *b, const char **rest)
{
	char path[32];
	size_t n = strlen(prefix);

	(void)snprintf(path, sizeof path, "%.20s/environ", pid);
	if (file_slurp(procfd, path, b, NULL) < 0 || buf_add(b, "", 1, NULL) < 0)
		return false;
	for (const char *s = b->data; s < b->data + b->len; s += strlen(s) + 1)
		if (strncmp(s, prefix, n) == 0) {
			*rest = s + n;
			return true;
		}
	return false;
}

static bool
is_marked(int procfd, const char *pid, const char *mark)
{
	struct buf b = BUF_INIT(PROCESS_ENVIRONMENT);
	const char *rest;
	bool marked = process_carries(procfd, pid, mark, &b, &rest) && *rest == '\0';

	buf_free(&b);
	return marked;
}

/* One round: how many were found, and killed; -1 if it cannot look. */
static int
hunt(const char *mark)
{
	int found = 0;

	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return -1;
	for (const char *name; (name = file_next(&proc)) != NULL;) {
		if (!isdigit((unsigned char)name[0]) || !is_marked(dirfd(proc), name, mark))
			continue;
		pid_t pid = (pid_t)strtol(name, NULL, 10);
		if (pid == getpid())
			continue;
		process_tree_signal(pid, SIGKILL);
		found += kill(pid, SIGKILL) == 0;
	}
	return found;
}

int
process_hunt(const char *mark, struct err *e)
{
	const struct timespec pause = {.tv_nsec = HUNT_MS * 1000000L};
	int killed = 0, found;

	for (int i = 0; (found = hunt(mark)) > 0 && i < HUNTS; i++) {
		if (i == 0)
			killed = found;
		(void)nanosleep(&pause, NULL);
	}
	if (found < 0)
		return err_sys(e, "cannot look for processes");
	if (found > 0)
		return err_set(e, ERR_BUSY, "%d processes of an earlier run do not end", found);
	return killed;
}
