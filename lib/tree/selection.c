/*
 * selection - paths that a person named.  See selection.h.
 */
#include <string.h>

#include "tree/selection.h"

struct selection
selection_of(const char *const *paths, size_t count, const struct resource *resources, size_t n)
{
	struct selection s = {.paths = paths, .count = count};

	s.skip = n == 1 && *resources[0].name ? strlen(resources[0].name) + 1 : 0;
	return s;
}

/* Is ${path} the one that was ${named}, or in it? */
static bool
is_within(const char *path, const char *named)
{
	while (strncmp(named, "./", 2) == 0)
		named += 2;
	size_t n = strlen(named);
	while (n > 0 && named[n - 1] == '/')
		n--;
	if (n == 0 || (n == 1 && *named == '.'))
		return true;
	return strncmp(path, named, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool
selection_has(const struct selection *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++)
		if (is_within(path, s->paths[i]) ||
		    (strlen(path) >= s->skip && is_within(path + s->skip, s->paths[i])))
			return true;
	return s->count == 0;
}
