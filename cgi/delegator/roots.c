#include "delegator/roots.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/home.h"
#include "config/settings.h"

#define ROOTS 64

static char *roots[ROOTS];
static size_t count;
static char state[PATH_MAX]; /* the state directory, without links */

static int
add_root(const char *path, struct err *e)
{
	struct stat st;

	if (path[0] != '/')
		err_set(e, ERR_CONFIG, "AWCP_ROOTS has a path that is not absolute: %s", path);
	else if (count == ROOTS)
		err_set(e, ERR_CONFIG, "AWCP_ROOTS has more than %d directories", ROOTS);
	else if ((roots[count] = realpath(path, NULL)) == NULL || stat(roots[count], &st) < 0 ||
		 !S_ISDIR(st.st_mode))
		err_set(e, ERR_CONFIG, "AWCP_ROOTS has a path that is not a directory: %s", path);
	else {
		count++;
		return 0;
	}
	return err_hint(e, "give absolute paths of directories, with colons between");
}

/* Add the directories of ${list}, which is cut up. */
static int
add_roots(char *list, struct err *e)
{
	for (char *one; (one = strsep(&list, ":")) != NULL;)
		if (one[0] != '\0' && add_root(one, e) < 0)
			return -1;
	return 0;
}

int
roots_read(struct err *e)
{
	char *list = strdup(setting_text(SETTING_ROOTS));

	if (list == NULL)
		return err_memory(e);
	int status = add_roots(list, e);
	free(list);
	if (status < 0)
		return -1;
	return realpath(home_path(), state) == NULL ? err_sys(e, "cannot look at %s", home_path())
						    : 0;
}

/* Is ${path} the directory ${top}, or below it? */
static bool
is_in(const char *path, const char *top)
{
	size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool
is_in_roots(const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(path, roots[i]))
			return true;
	return false;
}

/* Would ${path}, which cannot be resolved, be in a root, by its text? */
static bool
would_be_in_roots(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")) != NULL; p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return false;
	return is_in_roots(path);
}

static int
denied(const char *path, const char *why, struct err *e)
{
	err_set(e, ERR_WORKDIR_DENIED, "%s %s", path, why);
	return count > 0 ? err_hint(e, "the operator of this server says with AWCP_ROOTS what may")
			 : err_hint(e, "no directory may, until AWCP_ROOTS (awcp-serve -D) names "
				       "those that may");
}

int
roots_check(const char *path, char real[PATH_MAX], struct err *e)
{
	struct stat st;

	if (path[0] != '/') {
		err_set(e, ERR_WORKSPACE_INVALID, "%s is not an absolute path", path);
		return err_hint(e, "this server has no current directory of yours");
	}
	if (realpath(path, real) == NULL) {
		if (!would_be_in_roots(path))
			return denied(path, "may not be delegated", e);
		err_set(e, ERR_WORKSPACE_NOT_FOUND, "there is no directory %s", path);
		return err_hint(e, "verify the path");
	}
	if (!is_in_roots(real))
		return denied(path, "may not be delegated", e);
	if (is_in(real, state) || is_in(state, real))
		return denied(path, "holds this server's own state", e);
	if (stat(real, &st) < 0)
		return err_sys(e, "cannot look at %s", path);
	if (!S_ISDIR(st.st_mode)) {
		err_set(e, ERR_WORKSPACE_INVALID, "%s is not a directory", path);
		return err_hint(e, "a directory can be delegated, a file cannot");
	}
	return 0;
}
