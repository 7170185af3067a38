/*
 * snapshot/diff - shows a snapshot's changes by git-diff(1).  See diff.h.
 *
 * Both directories become trees in an object store that lasts as long as we do: so git shows paths,
 * modes, links and renames as in any repository, and its patch can be applied like any other.
 * Nothing in the directories may tell git what to run: attributes are overruled.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "apply/git.h"
#include "process/process.h"
#include "snapshot/diff.h"

#define ATTRIBUTES "* -text -ident -filter !diff !eol !working-tree-encoding\n"

/* How git is run, in the directory above both. */
struct git {
	int dirfd;
	const char *env[4];
	char index[40];
};

/* Run git; it may end with ${max}. */
static int
run_git(const struct git *g, const char *const *argv, int max, char *line, size_t size,
	struct err *e)
{
	const struct git_call call = {.dirfd = g->dirfd,
				      .argv = argv,
				      .env = g->env,
				      .shows = true,
				      .line = line,
				      .size = size};
	int code = 0;

	if (git_run(&call, &code, e) < 0)
		return e->code == ERR_CONFIG
			   ? err_hint(e, "install git, or look at it with awcp-snapshot show")
			   : -1;
	return code <= max ? 0 : err_set(e, ERR_IO, "git failed");
}

static int
prepare_git(struct git *g, const struct snapshot_trees *t, struct err *e)
{
	size_t n = 0;

	g->dirfd = file_open_dir(AT_FDCWD, t->path, e);
	snprintf(g->index, sizeof g->index, "GIT_INDEX_FILE=../store/index");
	g->env[n++] = "GIT_ATTR_NOSYSTEM=1";
	g->env[n++] = g->index;
	/* What nobody chose is less, or nothing: Debian's "pager" may be one that waits for a key.
	 * The person's core.pager comes before PAGER. */
	char *less = process_find("less", NULL);
	if (getenv("PAGER") == NULL && less == NULL)
		g->env[n] = "PAGER=cat";
	free(less);
	return g->dirfd < 0 ? -1 : 0;
}

/* Make the store, where attributes of ours come before all others. */
static int
make_store(const struct git *g, struct err *e)
{
	const char *init[] = {"git", "init", "-q", "--bare", "--template=", "store", NULL};

	if (run_git(g, init, 0, NULL, 0, e) < 0 || file_make_dirs(g->dirfd, "store/info", e) < 0)
		return -1;
	int info = file_open_beneath(g->dirfd, "store/info", O_RDONLY | O_DIRECTORY, 0, e);
	if (info < 0)
		return -1;
	int status = file_replace(info, "attributes", ATTRIBUTES, strlen(ATTRIBUTES), false, e);
	file_close(info);
	return status;
}

/* Run ${command} on the directory ${name}, whatever the person's configuration says of files. */
static int
run_on_tree(struct git *g, const char *name, const char *const *command, char *line, size_t size,
	    struct err *e)
{
	static const char *const config[] = {
	    "core.autocrlf=false",   "core.compression=0",     "core.fileMode=true",
	    "core.fsmonitor=false",  "core.ignoreCase=false",  "core.precomposeUnicode=false",
	    "core.protectHFS=false", "core.protectNTFS=false", "core.symlinks=true"};
	const char *argv[32] = {"git", "-C", name, "--git-dir=../store", "--work-tree=."};
	size_t n = 5;

	for (size_t i = 0; i < sizeof config / sizeof config[0]; i++) {
		argv[n++] = "-c";
		argv[n++] = config[i];
	}
	while (*command != NULL)
		argv[n++] = *command++;
	return run_git(g, argv, 0, line, size, e);
}

/* Make a tree of the directory ${name}. */
static int
make_tree(struct git *g, const char *name, char tree[80], struct err *e)
{
	static const char *const add[] = {"add", "-A", "-f", ".", NULL};
	static const char *const write[] = {"write-tree", NULL};

	snprintf(g->index, sizeof g->index, "GIT_INDEX_FILE=../store/index.%s", name);
	if (run_on_tree(g, name, add, NULL, 0, e) < 0 ||
	    run_on_tree(g, name, write, tree, 80, e) < 0)
		return -1;
	return *tree != '\0' ? 0 : err_set(e, ERR_IO, "git made no tree");
}

/* What lies in a .git would be no part of a tree, so it is compared file by file; first, as all
 * that is guarded. */
static int
show_hidden(const struct git *g, bool stat, struct err *e)
{
	if (faccessat(g->dirfd, "hidden", F_OK, 0))
		return 0;
	if (file_make_dirs(g->dirfd, "hidden/a", e) < 0 ||
	    file_make_dirs(g->dirfd, "hidden/b", e) < 0)
		return -1;
	const char *diff[] = {"git",
			      "-C",
			      "hidden",
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
	return run_git(g, diff, 1, NULL, 0, e);
}

int
snapshot_diff(const struct snapshot_trees *t, bool stat, struct err *e)
{
	struct git g = {.dirfd = -1};
	char a[80] = "", b[80] = "";
	int status = -1;
	const char *diff[] = {"git",
			      "--git-dir=store",
			      "diff",
			      "-Oguarded",
			      "--src-prefix=a/",
			      "--dst-prefix=b/",
			      "--no-ext-diff",
			      "--no-textconv",
			      stat ? "--stat" : "--patch",
			      a,
			      b,
			      NULL};

	if (prepare_git(&g, t, e) == 0 && make_store(&g, e) == 0 && make_tree(&g, "a", a, e) == 0 &&
	    make_tree(&g, "b", b, e) == 0 && show_hidden(&g, stat, e) == 0)
		status = run_git(&g, diff, 1, NULL, 0, e);
	file_close(g.dirfd);
	return status;
}
