/*
 * snapshot_diff - shows a snapshot's changes by git-diff(1).  See snapshot_diff.h.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

int
snapshot_diff(const struct snapshot_trees *t, bool stat, struct err *e)
{
	char ceiling[sizeof t->path + 32];
	/* No renames: "rename from" names a path without its prefix, which git apply cannot use. */
	const char *argv[] = {"git",
			      "-C",
			      t->path,
			      "diff",
			      "--no-index",
			      "--no-prefix",
			      "--no-renames",
			      "--no-ext-diff",
			      "--no-textconv",
			      stat ? "--stat" : "--patch",
			      "a",
			      "b",
			      NULL};
	pid_t pid;
	int status;
	char **env = outside(t->path, ceiling, sizeof ceiling);
	if (!env)
		return err_memory(e);
	/* We ignore SIGPIPE; git is to end by it when the pager does. */
	posix_spawnattr_t attributes;
	sigset_t pipe_signal;
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	int error = posix_spawnattr_init(&attributes);
	if (!error) {
		posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
		error = posix_spawnp(&pid, "git", NULL, &attributes, (char *const *)argv, env);
		posix_spawnattr_destroy(&attributes);
	}
	free(env);
	if (error) {
		err_set(e, ERR_CONFIG, "cannot run git: %s", strerror(error));
		return err_hint(e, "install git, or look at it with awcp-snapshot show");
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for git");
	/* 1 says that there are differences; SIGPIPE that the reader has seen enough. */
	if ((WIFEXITED(status) && WEXITSTATUS(status) <= 1) ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE))
		return 0;
	return err_set(e, ERR_IO, "git diff failed");
}
