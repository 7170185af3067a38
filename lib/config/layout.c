#include "config/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#define NAME "version"

/* The number in the file; 0 if there is none, -1. */
static int
read_file(int fd, struct err *e)
{
	char text[16], *end;

	int version = openat(fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (version < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", NAME);
	ssize_t n = file_read(version, text, sizeof text - 1, e);
	file_close(version);
	if (n < 0)
		return err_add(e, "%s", NAME);
	text[n] = '\0';
	long number = strtol(text, &end, 10);
	if (text[0] >= '1' && text[0] <= '9' && *end == '\n' && number < 1000000)
		return (int)number;
	err_set(e, ERR_CONFIG, "the file %s does not hold a number", NAME);
	return err_hint(e, "was the state directory damaged? take it from a backup");
}

/* Has somebody worked in it? */
static bool
is_used(int fd)
{
	static const char *const names[] = {"assignments", "delegations", "queue"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (faccessat(fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

int
layout_read(int fd, int *layout, struct err *e)
{
	*layout = read_file(fd, e);
	if (*layout != 0)
		return *layout < 0 ? -1 : 0;
	if (is_used(fd)) {
		/* Who has just made it wrote the file first. */
		*layout = read_file(fd, e);
		if (*layout == 0)
			*layout = 1;
		return *layout < 0 ? -1 : 0;
	}
	*layout = LAYOUT;
	/* Where nothing can be written, nothing will be. */
	if (faccessat(fd, ".", W_OK, 0) < 0 && errno == EROFS)
		return 0;
	return layout_write(fd, LAYOUT, e);
}

int
layout_check(int layout, const char *path, struct err *e)
{
	if (layout == LAYOUT)
		return 0;
	if (layout > LAYOUT) {
		err_set(e, ERR_CONFIG,
			"the state directory %s has layout %d, and this version of awcp "
			"knows %d",
			path, layout, LAYOUT);
		return err_hint(e, "install the version that made it, or a newer one");
	}
	err_set(e, ERR_CONFIG, "the state directory %s has layout %d, which is older than %d", path,
		layout, LAYOUT);
	return err_hint(e, "stop what uses it, then awcp-doctor -u brings it up to date");
}

int
layout_write(int fd, int layout, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", layout);

	return file_replace(fd, NAME, text, (size_t)n, true, e) < 0 ? err_add(e, "%s", NAME) : 0;
}
