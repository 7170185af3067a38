#include "config/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "config/layout.h"
#include "config/settings.h"

#define KEPT 64 /* directories that are kept open */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int homefd = -1;
static char path[PATH_MAX];
static struct {
	char name[128];
	int fd;
} kept[KEPT];

/* Write the state directory's path; it is made absolute, so that a later chdir changes nothing. */
static int
find_path(struct err *e)
{
	const char *home = setting_given(SETTING_HOME), *state = getenv("XDG_STATE_HOME");
	const char *account = getenv("HOME");
	char cwd[PATH_MAX] = "";
	int n;

	if (home != NULL) {
		if (home[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
			return err_sys(e, "cannot tell the current directory");
		n = snprintf(path, sizeof path, "%s%s%s", cwd, home[0] == '/' ? "" : "/", home);
	} else if (state != NULL && state[0] == '/') {
		n = snprintf(path, sizeof path, "%s/awcp", state);
	} else if (account != NULL && account[0] == '/') {
		n = snprintf(path, sizeof path, "%s/.local/state/awcp", account);
	} else {
		err_set(e, ERR_CONFIG, "no state directory: HOME is not set");
		return err_hint(e, "set AWCP_HOME to a directory of yours");
	}
	if (n < 0 || (size_t)n >= sizeof path / 2)
		return err_set(e, ERR_CONFIG, "the path of the state directory is too long");
	for (size_t i = strlen(path); i > 1 && path[i - 1] == '/'; i--)
		path[i - 1] = '\0';
	return 0;
}

const char *
home_find(struct err *e)
{
	(void)pthread_mutex_lock(&lock);
	int status = homefd >= 0 ? 0 : find_path(e);
	(void)pthread_mutex_unlock(&lock);
	return status < 0 ? NULL : path;
}

/* ${layout}: accept any layout, and report it; NULL: only ours. */
static int
open_home(int *layout, struct err *e)
{
	int found;

	struct stat st;

	if (find_path(e) < 0)
		return -1;
	if (access(path, F_OK) < 0 && file_make_durable_dirs(AT_FDCWD, path, e) < 0)
		return err_hint(e, "set AWCP_HOME to a directory that you may write to");
	int fd = file_open_dir(AT_FDCWD, path, e);
	if (fd < 0)
		return err_add(e, "state directory");
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot look at %s", path);
		goto err1;
	}
	if (st.st_uid != geteuid()) {
		err_set(e, ERR_PERMISSION, "the state directory %s belongs to another user", path);
		err_hint(e, "set AWCP_HOME to a directory of yours");
		goto err1;
	}
	if ((st.st_mode & 0022) != 0) {
		err_set(e, ERR_PERMISSION, "others may write to the state directory %s", path);
		err_hint(e, "chmod 700 it, if you trust what is in it");
		goto err1;
	}
	if (layout_read(fd, &found, e) < 0) {
		err_add(e, "%s", path);
		goto err1;
	}
	if (layout != NULL)
		*layout = found;
	else if (layout_check(found, path, e) < 0)
		goto err1;
	homefd = fd;
	return 0;
err1:
	file_close(fd);
	return -1;
}

int
home_open(struct err *e)
{
	return home_open_any(NULL, e);
}

int
home_open_any(int *layout, struct err *e)
{
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (homefd < 0)
		status = open_home(layout, e);
	else if (layout != NULL)
		status = layout_read(homefd, layout, e);
	(void)pthread_mutex_unlock(&lock);
	return status < 0 ? -1 : homefd;
}

const char *
home_path(void)
{
	return path;
}

/* A directory in which nothing is, and nothing can be made; -1. */
static int
open_empty(void)
{
	char place[] = "/tmp/awcp-empty-XXXXXX";

	if (mkdtemp(place) == NULL)
		return -1;
	int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)rmdir(place);
	return fd;
}

int
home_dir(const char *name, struct err *e)
{
	int fd = -1, i;

	if (home_open(e) < 0 || strlen(name) >= sizeof kept[0].name)
		return -1;
	(void)pthread_mutex_lock(&lock);
	for (i = 0; i < KEPT && kept[i].name[0] != '\0'; i++)
		if (strcmp(kept[i].name, name) == 0) {
			fd = kept[i].fd;
			goto out;
		}
	if (i == KEPT) {
		err_set(e, ERR_INTERNAL, "too many state directories in use");
		goto out;
	}
	fd = openat(homefd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT && file_make_durable_dirs(homefd, name, e) == 0)
		fd = openat(homefd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	else if (fd < 0 && errno == EROFS)
		fd = open_empty();
	if (fd < 0) {
		err_sys(e, "cannot open %s/%s", path, name);
		goto out;
	}
	strcpy(kept[i].name, name);
	kept[i].fd = fd;
out:
	(void)pthread_mutex_unlock(&lock);
	return fd;
}

DIR *
home_list(const char *name)
{
	int fd = home_open(NULL);

	return fd < 0 ? NULL : file_list(fd, name);
}

static int
by_file_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* alphasort's order is the locale's */
}

int
home_each(int dirfd, int (*is)(const struct dirent *d), int (*each)(void *arg, const char *name),
	  void *arg, struct err *e)
{
	struct dirent **names;
	int status = 0;

	int n = scandirat(dirfd, ".", &names, is, by_file_name);
	if (n < 0)
		return err_sys(e, "cannot read a directory of the state");
	for (int i = 0; i < n; i++) {
		status = each(arg, names[i]->d_name);
		if (status != 0)
			break;
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return status;
}

/* Move ${name} out of ${dirfd} into corrupt/. */
static int
quarantine(int dirfd, const char *name, const char *label)
{
	char to[512], when[CLOCK_TEXT], serial[ID_MAX + 1];

	int corruptfd = home_dir("corrupt", NULL);
	if (corruptfd < 0 || id_make("", 8, serial, NULL) < 0)
		return -1;
	(void)snprintf(to, sizeof to, "%s-%.200s-%s", clock_format(clock_now(), when), label,
		       serial);
	return renameat(dirfd, name, corruptfd, to);
}

json_t *
home_load(int dirfd, const char *name, size_t max, const char *label, struct err *e)
{
	struct err why;

	json_t *o = jsonx_load(dirfd, name, max, &why);
	if (o != NULL)
		return o;
	int number = errno;
	if (why.code == ERR_BAD_MESSAGE) {
		why.code = ERR_BAD_DATA;
		if (quarantine(dirfd, name, label) == 0)
			err_hint(&why, "it was moved to %s/corrupt", path);
	}
	if (e != NULL)
		*e = why;
	errno = number;
	return NULL;
}
