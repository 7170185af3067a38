/*
 * tree - what directories are made of.  See tree.h.
 */
#include "tree/tree.h"

#include <string.h>

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
