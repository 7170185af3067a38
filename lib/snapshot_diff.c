/*
 * snapshot_diff - shows a snapshot's changes by git-diff(1).  See snapshot_diff.h.
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

#include "file.h"
#include "snapshot_diff.h"

extern char **environ;

/* The environment, with the state directory cut off from any repository that it may lie in: git
 * would show paths from that one's top. */
static char **
outside(const char *path, char *ceiling, size_t size)
{
	size_t n = 0, kept = 0;
	while (environ[n])
		n++;
	char **env = calloc(n + 2, sizeof *env);
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "GIT_DIR=", 8) != 0 &&
		    strncmp(environ[i], "GIT_WORK_TREE=", 14) != 0 &&
		    strncmp(environ[i], "GIT_CEILING_DIRECTORIES=", 24) != 0)
			env[kept++] = environ[i];
	const char *slash = strrchr(path, '/');
	snprintf(ceiling, size, "GIT_CEILING_DIRECTORIES=%.*s", (int)(slash - path), path);
	env[kept] = ceiling;
	return env;
}

/* Start git with ${argv}, ${in} and ${out} (or -1: ours) as its stdin and stdout. */
static int
start(const char *const *argv, char *const *env, int in, int out, pid_t *pid, struct err *e)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t files;
	sigset_t pipe_signal;
	/* We ignore SIGPIPE; git is to end by it when the pager does. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	if (posix_spawnattr_init(&attributes) || posix_spawn_file_actions_init(&files))
		return err_memory(e);
	int error = posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	error = error ? error : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	if (!error && in >= 0)
		error = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!error && out >= 0)
		error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!error)
		error = posix_spawnp(pid, "git", &files, &attributes, (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (!error)
		return 0;
	err_set(e, ERR_CONFIG, "cannot run git: %s", strerror(error));
	return err_hint(e, "install git, or look at it with awcp-snapshot show");
}

static int
wait_for(pid_t pid, struct err *e)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for git");
	/* 1 says that there are differences; SIGPIPE that the reader has seen enough. */
	if ((WIFEXITED(status) && WEXITSTATUS(status) <= 1) ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE))
		return 0;
	return err_set(e, ERR_IO, "git diff failed");
}

int
snapshot_diff(const struct snapshot_trees *t, bool stat, struct err *e)
{
	char ceiling[sizeof t->path + 32];
	/* No renames: "rename from" names a path without its prefix, which git apply cannot use. */
	const char *diff[] = {"git",
			      "-C",
			      t->path,
			      "diff",
			      "--no-index",
			      "--no-prefix",
			      "--no-renames",
			      "--no-ext-diff",
			      "--no-textconv",
			      "a",
			      "b",
			      NULL};
	/* git diff --stat would show each path twice, as {a => b}/path. */
	const char *summary[] = {"git", "-C", t->path, "apply", "--stat", "--allow-empty", NULL};
	pid_t pid = 0, second = 0;
	int ends[2] = {-1, -1}, status = -1;
	char **env = outside(t->path, ceiling, sizeof ceiling);
	if (!env)
		return err_memory(e);
	if (stat && pipe2(ends, O_CLOEXEC)) {
		free(env);
		return err_sys(e, "cannot make a pipe");
	}
	if (start(diff, env, -1, ends[1], &pid, e) == 0) {
		if (!stat || start(summary, env, ends[0], -1, &second, e) == 0)
			status = 0;
		file_close(ends[0]);
		file_close(ends[1]);
		if (wait_for(pid, e) || (second > 0 && wait_for(second, e)))
			status = -1;
	}
	free(env);
	return status;
}
