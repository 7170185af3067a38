#include "process/account.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tree/tree.h"

/* Where a number is taken from, and how many there are.  The first are as many as there can be
 * processes, and are nobody's by any convention; a container often has 65536 users, of which these
 * are for services that are given one as they start. */
static const struct {
	unsigned first, count;
} ranges[] = {{1879048192, 1U << 22}, {61184, 4336}};

/* Does ${map}, of this process, have the ${count} numbers from ${first}? */
static bool
is_mapped(const char *map, unsigned first, unsigned count)
{
	unsigned long begin, outside, length;
	bool found = false;

	FILE *list = fopen(map, "re");
	if (list == NULL)
		return true; /* there are no user namespaces */
	while (!found && fscanf(list, "%lu %lu %lu", &begin, &outside, &length) == 3)
		found = begin <= first && first + count <= begin + length;
	(void)fclose(list);
	return found;
}

uid_t
account_for(const struct sandbox *s)
{
	if (geteuid() != 0 || s->kind == SANDBOX_NONE)
		return 0;
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (is_mapped("/proc/self/uid_map", ranges[i].first, ranges[i].count) &&
		    is_mapped("/proc/self/gid_map", ranges[i].first, ranges[i].count))
			return ranges[i].first + (uid_t)getpid() % ranges[i].count;
	return 0;
}

int
account_may_run(const struct sandbox *s, const char *program, struct err *e)
{
	const mode_t needed = S_IROTH | S_IXOTH; /* a script is read, too */
	struct stat st;

	if (account_for(s) == 0 || stat(program, &st) < 0 || (st.st_mode & needed) == needed)
		return 0;
	err_set(e, ERR_CONFIG, "%s may not be run by everybody, and tasks do not run as root",
		program);
	return err_hint(e, "chmod o+rx it, or run the worker as a user who may run it");
}

int
account_list(uid_t account, struct err *e)
{
	const char *home = getenv("HOME");
	char line[1024];

	int fd = memfd_create("accounts", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot list the account of a task");
	int n = snprintf(line, sizeof line, "task:x:%lu:%lu::%s:/bin/sh\n", (unsigned long)account,
			 (unsigned long)account, home == NULL ? "/" : home);
	int here = open("/etc/passwd", O_RDONLY | O_CLOEXEC); /* -1: there is none */
	if (n < 0 || (size_t)n >= sizeof line || file_write(fd, line, (size_t)n, e) < 0 ||
	    (here >= 0 && file_copy(here, fd, e) < 0) || lseek(fd, 0, SEEK_SET) < 0) {
		file_close(fd);
		fd = err_add(e, "the account of a task");
	}
	file_close(here);
	return fd;
}

int
account_give(int fd, uid_t account, struct err *e)
{
	if (account == 0 || fchown(fd, account, account) == 0)
		return 0;
	err_sys(e, "cannot give a directory to the account of a task");
	return err_hint(e, "run the worker as a user other than root");
}

int
account_give_path(int dirfd, const char *path, uid_t account, struct err *e)
{
	char above[TREE_PATH + 1];
	int status = 0;

	for (size_t n = 0; account != 0 && status >= 0 && path[n] != '\0'; n++) {
		n += strcspn(path + n, "/");
		(void)snprintf(above, sizeof above, "%.*s", (int)n, path);
		int fd = file_open_beneath(dirfd, above, O_RDONLY | O_DIRECTORY, 0, e);
		status = fd < 0 ? -1 : account_give(fd, account, e);
		file_close(fd);
		n -= path[n] == '\0';
	}
	return status;
}
