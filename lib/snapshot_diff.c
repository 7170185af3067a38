/*
 * snapshot_diff - shows a snapshot's changes by git-diff(1).  See snapshot_diff.h.
 *
 * Both directories become trees in an object store that lasts as long as we do: so git shows paths,
 * modes, links and renames as in any repository, and its patch can be applied like any other.
 * Nothing in the directories may tell git what to run: attributes are overruled.
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
#include "process.h"
#include "snapshot_diff.h"

#define ATTRIBUTES "* -text -ident -filter !diff !eol !working-tree-encoding\n"

extern char **environ;

/* How git is run. */
struct git {
	const struct snapshot_trees *trees;
	char **env;
	char ceiling[sizeof(((struct snapshot_trees *)0)->path) + 32];
	char index[32];
};

/* The environment, without what would make git look into another repository. */
static int
set_up(struct git *g, struct err *e)
{
	static const char *const dropped[] = {
	    "GIT_DIR=",        "GIT_WORK_TREE=",
	    "GIT_INDEX_FILE=", "GIT_CEILING_DIRECTORIES=",
	    "GIT_PREFIX=",     "GIT_OBJECT_DIRECTORY=",
	    "GIT_NAMESPACE=",  "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
	    "GIT_COMMON_DIR=", "GIT_EXTERNAL_DIFF=",
	};
	size_t n = 0, kept = 0;
	while (environ[n])
		n++;
	g->env = calloc(n + 5, sizeof *g->env);
	if (!g->env)
		return err_memory(e);
	for (size_t i = 0; i < n; i++) {
		size_t d = 0;
		while (d < sizeof dropped / sizeof dropped[0] &&
		       strncmp(environ[i], dropped[d], strlen(dropped[d])) != 0)
			d++;
		if (d == sizeof dropped / sizeof dropped[0])
			g->env[kept++] = environ[i];
	}
	const char *path = g->trees->path, *slash = strrchr(path, '/');
	snprintf(g->ceiling, sizeof g->ceiling, "GIT_CEILING_DIRECTORIES=%.*s", (int)(slash - path),
		 path);
	snprintf(g->index, sizeof g->index, "GIT_INDEX_FILE=../store/index");
	g->env[kept++] = g->ceiling;
	g->env[kept++] = (char *)"GIT_ATTR_NOSYSTEM=1";
	g->env[kept++] = g->index;
	/* What nobody chose is less, or nothing: Debian's "pager" may be one that waits for a key.
	 * The person's core.pager comes before PAGER. */
	char *less = process_find("less", NULL);
	if (getenv("PAGER") == NULL && less == NULL)
		g->env[kept] = (char *)"PAGER=cat";
	free(less);
	return 0;
}

/* Start git with ${argv} and ${out} (or -1: ours) as its stdout. */
static int
start(const struct git *g, const char *const *argv, int out, pid_t *pid, struct err *e)
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
	if (!error && out >= 0)
		error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!error)
		error = posix_spawnp(pid, "git", &files, &attributes, (char *const *)argv, g->env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (!error)
		return 0;
	err_set(e, ERR_CONFIG, "cannot run git: %s", strerror(error));
	return err_hint(e, "install git, or look at it with awcp-snapshot show");
}

/* Wait for git; it may end with ${most}, or by SIGPIPE, as the reader has seen enough. */
static int
wait_for(pid_t pid, int most, const char *what, struct err *e)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for git");
	if ((WIFEXITED(status) && WEXITSTATUS(status) <= most) ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE))
		return 0;
	return err_set(e, ERR_IO, "git %s failed", what);
}

static int
run(const struct git *g, const char *const *argv, const char *what, struct err *e)
{
	pid_t pid = -1;
	return start(g, argv, -1, &pid, e) || wait_for(pid, 0, what, e) ? -1 : 0;
}

/* Run git and take the line that it prints. */
static int
ask(const struct git *g, const char *const *argv, const char *what, char *line, size_t size,
    struct err *e)
{
	int ends[2];
	pid_t pid = -1;
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	int status = start(g, argv, ends[1], &pid, e);
	file_close(ends[1]);
	if (status == 0) {
		ssize_t n = file_read(ends[0], line, size - 1, e);
		line[n > 0 ? n : 0] = '\0';
		line[strcspn(line, "\n")] = '\0';
		status = wait_for(pid, 0, what, e);
	}
	file_close(ends[0]);
	return status;
}

/* Make the store, where attributes of ours come before all others. */
static int
make_store(const struct git *g, struct err *e)
{
	const char *init[] = {"git",    "-C",          g->trees->path, "init", "-q",
			      "--bare", "--template=", "store",        NULL};
	if (run(g, init, "init", e))
		return -1;
	int dirfd = file_open_dir(AT_FDCWD, g->trees->path, e);
	int info = dirfd < 0 || file_make_dirs(dirfd, "store/info", e)
		       ? -1
		       : file_open_dir(dirfd, "store/info", e);
	int status =
	    info < 0 ? -1
		     : file_replace(info, "attributes", ATTRIBUTES, strlen(ATTRIBUTES), false, e);
	file_close(info);
	file_close(dirfd);
	return status;
}

/* Make a tree of the directory ${name}. */
static int
make_tree(struct git *g, const char *name, char tree[80], struct err *e)
{
	char path[sizeof g->trees->path + 8];
	snprintf(path, sizeof path, "%s/%s", g->trees->path, name);
	snprintf(g->index, sizeof g->index, "GIT_INDEX_FILE=../store/index.%s", name);
	const char *add[] = {"git",
			     "-C",
			     path,
			     "--git-dir=../store",
			     "--work-tree=.",
			     "-c",
			     "core.autocrlf=false",
			     "-c",
			     "core.compression=0",
			     "-c",
			     "core.fileMode=true",
			     "-c",
			     "core.fsmonitor=false",
			     "-c",
			     "core.ignoreCase=false",
			     "-c",
			     "core.precomposeUnicode=false",
			     "-c",
			     "core.protectHFS=false",
			     "-c",
			     "core.protectNTFS=false",
			     "-c",
			     "core.symlinks=true",
			     "add",
			     "-A",
			     "-f",
			     ".",
			     NULL};
	const char *write[] = {"git",        "-C",
			       path,         "--git-dir=../store",
			       "-c",         "core.protectHFS=false",
			       "-c",         "core.protectNTFS=false",
			       "write-tree", NULL};
	if (run(g, add, "add", e) || ask(g, write, "write-tree", tree, 80, e))
		return -1;
	return *tree ? 0 : err_set(e, ERR_IO, "git write-tree failed");
}

/* What lies in a .git would be no part of a tree, so it is compared file by file. */
static int
show_hidden(const struct git *g, bool stat, struct err *e)
{
	char path[sizeof g->trees->path + 8];
	pid_t pid = -1;
	snprintf(path, sizeof path, "%s/hidden", g->trees->path);
	if (access(path, F_OK))
		return 0;
	int dirfd = file_open_dir(AT_FDCWD, path, e);
	if (dirfd < 0)
		return -1;
	int status = file_make_dirs(dirfd, "a", e) || file_make_dirs(dirfd, "b", e) ? -1 : 0;
	file_close(dirfd);
	const char *diff[] = {"git",
			      "-C",
			      path,
			      "diff",
			      "--no-index",
			      "--no-prefix",
			      "--no-ext-diff",
			      "--no-textconv",
			      "--no-renames",
			      stat ? "--stat" : "--patch",
			      "a",
			      "b",
			      NULL};
	if (status || start(g, diff, -1, &pid, e))
		return -1;
	return wait_for(pid, 1, "diff", e);
}

int
snapshot_diff(const struct snapshot_trees *t, bool stat, struct err *e)
{
	struct git g = {.trees = t};
	char a[80] = "", b[80] = "", store[sizeof t->path + 32];
	int status = -1;
	snprintf(store, sizeof store, "--git-dir=%s/store", t->path);
	const char *diff[] = {"git",
			      store,
			      "diff",
			      "--src-prefix=a/",
			      "--dst-prefix=b/",
			      "--no-ext-diff",
			      "--no-textconv",
			      stat ? "--stat" : "--patch",
			      a,
			      b,
			      NULL};
	if (set_up(&g, e) == 0 && make_store(&g, e) == 0 && make_tree(&g, "a", a, e) == 0 &&
	    make_tree(&g, "b", b, e) == 0) {
		pid_t pid = -1;
		status = start(&g, diff, -1, &pid, e) || wait_for(pid, 1, "diff", e) ? -1 : 0;
	}
	if (status == 0)
		status = show_hidden(&g, stat, e);
	free(g.env);
	return status;
}
