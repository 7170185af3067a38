/*
 * git - runs git(1).  See git.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git.h"
#include "tree.h"

extern char **environ;

/* The environment without git's own variables; ${ceiling}, "NAME=", gets the directory above
 * ${dirfd} and ends it. */
static char **
outside(int dirfd, char *ceiling, size_t size)
{
	char link[64];
	size_t n = 0, kept = 0, length = strlen(ceiling);
	snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
	ssize_t got = readlink(link, ceiling + length, size - length - 1);
	ceiling[length + (size_t)(got > 0 ? got : 0)] = '\0';
	char *slash = strrchr(ceiling + length, '/');
	if (slash)
		*slash = '\0';
	while (environ[n])
		n++;
	char **env = calloc(n + 2, sizeof *env);
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "GIT_", 4) != 0)
			env[kept++] = environ[i];
	env[kept] = ceiling;
	return env;
}

static int
spawn(int dirfd, const char *const *argv, char *const *env, pid_t *pid)
{
	static const struct {
		int fd, flags;
	} standard[] = {
	    {STDIN_FILENO, O_RDONLY}, {STDOUT_FILENO, O_WRONLY}, {STDERR_FILENO, O_WRONLY}};
	posix_spawn_file_actions_t files;
	int error = posix_spawn_file_actions_init(&files);
	if (error)
		return error;
	for (size_t i = 0; i < 3 && !error; i++)
		error = posix_spawn_file_actions_addopen(&files, standard[i].fd, "/dev/null",
							 standard[i].flags, 0);
	if (!error)
		error = posix_spawn_file_actions_addfchdir_np(&files, dirfd);
	if (!error)
		error = posix_spawnp(pid, argv[0], &files, NULL, (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

int
git_run(int dirfd, const char *const *argv, int *code, struct err *e)
{
	char ceiling[TREE_PATH + 64] = "GIT_CEILING_DIRECTORIES=";
	int how;
	pid_t pid = 0;
	char **env = outside(dirfd, ceiling, sizeof ceiling);
	if (!env)
		return err_memory(e);
	int error = spawn(dirfd, argv, env, &pid);
	free(env);
	if (error) {
		err_set(e, ERR_CONFIG, "cannot run git: %s", strerror(error));
		return err_hint(e, "install git");
	}
	while (waitpid(pid, &how, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for git");
	if (!WIFEXITED(how))
		return err_set(e, ERR_IO, "git %s was killed", argv[1]);
	*code = WEXITSTATUS(how);
	return 0;
}
