/*
 * git - runs git(1).  See git.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "apply/git.h"
#include "tree/tree.h"

/* Would it make git look into another repository, or run something? */
static bool
is_dropped(const char *variable)
{
	return strncmp(variable, "GIT_", 4) == 0 && strncmp(variable, "GIT_PAGER=", 10) != 0 &&
	       strncmp(variable, "GIT_CONFIG", 10) != 0;
}

/* The environment; ${ceiling}, "NAME=", gets the directory above ${c}'s and ends it. */
static char **
outside(const struct git_call *c, char *ceiling, size_t size)
{
	char link[64];
	size_t n = 0, more = 0, kept = 0, length = strlen(ceiling);

	snprintf(link, sizeof link, "/proc/self/fd/%d", c->dirfd);
	ssize_t got = readlink(link, ceiling + length, size - length - 1);
	ceiling[length + (size_t)(got > 0 ? got : 0)] = '\0';
	char *slash = strrchr(ceiling + length, '/');
	if (slash)
		*slash = '\0';
	while (environ[n])
		n++;
	while (c->env && c->env[more])
		more++;
	char **env = calloc(n + more + 2, sizeof *env);
	if (env == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!is_dropped(environ[i]))
			env[kept++] = environ[i];
	for (size_t i = 0; i < more; i++)
		env[kept++] = (char *)c->env[i];
	env[kept] = ceiling;
	return env;
}

/* Start git with ${out} (or -1) as its stdout: 0 or what errno would be. */
static int
spawn(const struct git_call *c, char *const *env, int out, pid_t *pid)
{
	static const struct {
		int fd, flags;
	} standard[] = {
	    {STDIN_FILENO, O_RDONLY}, {STDOUT_FILENO, O_WRONLY}, {STDERR_FILENO, O_WRONLY}};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t pipe_signal;
	if (posix_spawn_file_actions_init(&files))
		return ENOMEM;
	int error = posix_spawnattr_init(&attributes);
	if (error)
		goto err0;
	/* We ignore SIGPIPE; git is to end by it when the pager does. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	error = posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	if (!error)
		error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	for (size_t i = 0; !c->shows && i < 3 && !error; i++)
		error = posix_spawn_file_actions_addopen(&files, standard[i].fd, "/dev/null",
							 standard[i].flags, 0);
	if (!error && out >= 0)
		error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!error)
		error = posix_spawn_file_actions_addfchdir_np(&files, c->dirfd);
	if (!error)
		error =
		    posix_spawnp(pid, c->argv[0], &files, &attributes, (char *const *)c->argv, env);
	posix_spawnattr_destroy(&attributes);
err0:
	posix_spawn_file_actions_destroy(&files);
	return error;
}

static int
wait_for(pid_t pid, int *code, struct err *e)
{
	int how;

	while (waitpid(pid, &how, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for git");
	if (!WIFEXITED(how) && WTERMSIG(how) != SIGPIPE)
		return err_set(e, ERR_IO, "git was killed");
	*code = WIFEXITED(how) ? WEXITSTATUS(how) : 0;
	return 0;
}

static int
take_line(const struct git_call *c, int fd, struct err *e)
{
	ssize_t n = file_read(fd, c->line, c->size - 1, e);

	c->line[n > 0 ? n : 0] = '\0';
	c->line[strcspn(c->line, "\n")] = '\0';
	return n < 0 ? -1 : 0;
}

int
git_run(const struct git_call *c, int *code, struct err *e)
{
	char ceiling[TREE_PATH + 64] = "GIT_CEILING_DIRECTORIES=";
	int ends[2] = {-1, -1}, status = 0;
	pid_t pid = 0;

	if (c->line && pipe2(ends, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	char **env = outside(c, ceiling, sizeof ceiling);
	int error = env ? spawn(c, env, ends[1], &pid) : ENOMEM;
	free(env);
	file_close(ends[1]);
	if (error) {
		err_set(e, ERR_CONFIG, "cannot run git: %s", strerror(error));
		status = err_hint(e, "install git");
	} else {
		status = c->line ? take_line(c, ends[0], e) : 0;
	}
	file_close(ends[0]);
	if (!error && wait_for(pid, code, status ? NULL : e))
		status = -1;
	return status;
}
