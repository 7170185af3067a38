/*
 * tree - what directories are made of.  See tree.h.
 */
#include "tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static const struct {
	char type;
	mode_t format;
} types[] = {{'f', S_IFREG}, {'d', S_IFDIR}, {'l', S_IFLNK}};

/* Without any link on the way. */
static int
open_named(const struct resource *r, struct err *e)
{
	const char *path = r->source + strspn(r->source, "/");

	int top = file_open_dir(AT_FDCWD, "/", e);
	if (top < 0)
		return -1;
	int fd = file_open_beneath(top, *path != '\0' ? path : ".", O_RDONLY | O_DIRECTORY, 0, e);
	file_close(top);
	if (fd >= 0 || (errno != ELOOP && errno != EXDEV))
		return fd;
	err_set(e, ERR_WORKDIR_DENIED, "%s: a link has come into its path", r->source);
	return err_hint(e, "name the directory that is meant");
}

int
resource_open(const struct resource *r, struct err *e)
{
	return r->named ? open_named(r, e) : file_open_dir(AT_FDCWD, r->source, e);
}

char
tree_type(mode_t mode)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if ((mode & S_IFMT) == types[i].format)
			return types[i].type;
	return '?';
}

mode_t
tree_format(char type)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (type == types[i].type)
			return types[i].format;
	return 0;
}

int64_t
tree_time(struct timespec t)
{
	int64_t furthest = INT64_MAX / 1000000000 - 1;
	int64_t seconds = t.tv_sec > furthest    ? furthest
			  : t.tv_sec < -furthest ? -furthest
						 : t.tv_sec;

	return seconds * 1000000000 + t.tv_nsec;
}

struct timespec
tree_timespec(int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

bool
tree_is_temporary(const char *name)
{
	size_t n = strlen(TREE_TEMPORARY), digits;

	if (strncmp(name, TREE_TEMPORARY, n) != 0)
		return false;
	name += n;
	if (strspn(name, "0123456789abcdef") != 16 || name[16] != '-')
		return false;
	name += 17;
	digits = strspn(name, "0123456789");
	return digits > 0 && (name[digits] == '\0' || strcmp(name + digits, ".old") == 0);
}

static int
rank(char c)
{
	return c == '\0' ? -1 : c == '/' ? 0 : (unsigned char)c;
}

int
tree_order(const char *a, const char *b)
{
	while (*a == *b && *a != '\0') {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

const char *
tree_below(const char *path, const char *above)
{
	size_t n = strlen(above);

	if (n == 0 || strncmp(path, above, n) != 0)
		return n == 0 ? path : NULL;
	return path[n] == '/' ? path + n + 1 : path[n] == '\0' ? path + n : NULL;
}

bool
tree_link_inside(const char *path, const char *target)
{
	size_t above = 0; /* directories between the link and the top */
	bool named = false;

	if (*target == '/' || *target == '\0')
		return false;
	for (; *path != '\0'; path++)
		above += *path == '/';
	while (*target != '\0') {
		size_t n = strcspn(target, "/");
		if (n == 2 && strncmp(target, "..", 2) == 0) {
			if (named || above == 0)
				return false;
			above--;
		} else if (n > 0 && !(n == 1 && *target == '.')) {
			named = true;
		}
		target += n;
		target += strspn(target, "/");
	}
	return true;
}

static int
open_parts(struct tree *t, int dirfd, const char *const names[2], int flags, struct err *e)
{
	int *fds[] = {&t->manifestfd, &t->archivefd};

	*t = (struct tree){.manifestfd = -1, .archivefd = -1};
	for (size_t i = 0; i < 2; i++) {
		*fds[i] = openat(dirfd, names[i], flags | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (*fds[i] < 0)
			return err_sys(e, "cannot open %s", names[i]);
	}
	return 0;
}

int
tree_open(struct tree *t, int dirfd, const char *manifest, const char *archive, struct err *e)
{
	return open_parts(t, dirfd, (const char *const[]){manifest, archive}, O_RDONLY, e);
}

int
tree_create(struct tree *t, int dirfd, const char *manifest, const char *archive, struct err *e)
{
	return open_parts(t, dirfd, (const char *const[]){manifest, archive},
			  O_RDWR | O_CREAT | O_TRUNC, e);
}

void
tree_close(struct tree *t)
{
	file_close(t->manifestfd);
	file_close(t->archivefd);
	t->manifestfd = t->archivefd = -1;
}
