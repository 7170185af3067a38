/*
 * apart - are directories that are lent apart from each other?  See admit.h.
 *
 * A path may lead to a directory by many ways (links, bind mounts): what counts is which directory
 * it is, and which ones are above it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tree/admit.h"

#define ABOVE_MAX (TREE_PATH / 2) /* directories above one */

static int
look(const struct resource *r, struct stat *st)
{
	int fd = resource_open(r, NULL);
	int status = fd < 0 ? -1 : fstat(fd, st);

	file_close(fd);
	return status;
}

static bool
same_directory(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Is the directory ${path} one of the ${n} at ${r}, or in one of them, where either may be changed?
 * *${which} is that one.  ${own} of them is ${path}'s own. */
static bool
lies_within(const struct resource *r, const struct stat *st, size_t n, size_t own, size_t *which)
{
	struct stat now, before = {0};
	int at = resource_open(&r[own], NULL);

	for (int level = 0; at >= 0 && level < ABOVE_MAX && fstat(at, &now) == 0; level++) {
		/* What is above the root is the root. */
		if (level > 0 && same_directory(&now, &before))
			break;
		for (size_t i = 0; i < n; i++) {
			if (i == own || !same_directory(&now, &st[i]) ||
			    (!r[i].writable && !r[own].writable))
				continue;
			file_close(at);
			*which = i;
			return true;
		}
		before = now;
		int above = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		file_close(at);
		at = above;
	}
	file_close(at);
	return false;
}

static int
check_each(const struct resource *r, const struct stat *st, size_t n, struct err *e)
{
	size_t which;

	for (size_t i = 0; i < n; i++) {
		if (!lies_within(r, st, n, i, &which))
			continue;
		if (same_directory(&st[i], &st[which]))
			err_set(e, ERR_USAGE, "%s is lent twice, as %s and as %s", r[i].source,
				r[i].name, r[which].name);
		else
			err_set(e, ERR_USAGE, "%s, lent as %s, lies within %s, lent as %s",
				r[i].source, r[i].name, r[which].source, r[which].name);
		return err_hint(e, "lend one of them, or both read-only");
	}
	return 0;
}

int
tree_check_apart(const struct resource *r, size_t n, struct err *e)
{
	struct stat st[TREE_LENT_MAX] = {0};

	if (n > TREE_LENT_MAX)
		return 0; /* refused for that */
	for (size_t i = 0; i < n; i++)
		if (look(&r[i], &st[i]) < 0)
			return 0; /* whoever walks it says so */
	return n > 1 ? check_each(r, st, n, e) : 0;
}
