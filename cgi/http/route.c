/* Finds what answers a path. */
#include "http/private.h"

#include <stdio.h>
#include <string.h>

/* Does ${path} fit ${pattern}?  Copies the components that ":id" stands for. */
static bool
fits(const char *pattern, const char *path, char ids[ROUTE_IDS][ID_MAX + 1])
{
	for (size_t i = 0; i < ROUTE_IDS; i++)
		ids[i][0] = '\0';
	for (size_t i = 0;;) {
		size_t n = strcspn(pattern, "/"), m = strcspn(path, "/");
		if (n == 3 && strncmp(pattern, ":id", 3) == 0) {
			if (m > ID_MAX || i == ROUTE_IDS)
				return false;
			memcpy(ids[i], path, m);
			ids[i][m] = '\0';
			if (!id_valid(ids[i++]))
				return false;
		} else if (n != m || strncmp(pattern, path, n) != 0) {
			return false;
		}
		if (pattern[n] == '\0' || path[m] == '\0')
			return pattern[n] == path[m];
		pattern += n + 1;
		path += m + 1;
	}
}

const struct http_route *
route_find(const struct http_route *routes, const char *method, const char *path,
	   char ids[ROUTE_IDS][ID_MAX + 1], char allow[ROUTE_METHODS], struct err *e)
{
	allow[0] = '\0';
	for (const struct http_route *r = routes; r->method != NULL; r++) {
		if (!fits(r->path, path, ids))
			continue;
		if (strcmp(r->method, method) == 0)
			return r;
		size_t n = strlen(allow);
		(void)snprintf(allow + n, ROUTE_METHODS - n, "%s%s%s", n > 0 ? ", " : "", r->method,
			       strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
	}
	if (allow[0] != '\0') {
		err_set(e, ERR_BAD_METHOD, "this path does not take that method");
		err_hint(e, "use %s", allow);
	} else {
		err_set(e, ERR_NOT_FOUND, "there is nothing at this path");
		err_hint(e, "an id in it has 1 to 128 letters, digits, _ and -");
	}
	return NULL;
}
