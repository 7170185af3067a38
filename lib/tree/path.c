#include <string.h>

#include "tree/tree.h"
#include "base/utf8.h"

bool
resource_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 255 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strcmp(name, ".awcp") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || (unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return utf8_valid(name);
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
