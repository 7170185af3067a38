/*
 * guard_test - which names are guarded, in whatever way they are written.
 */
#include "check.h"
#include "scratch.h"

#include "tree/guard.h"

static struct guard *
guards(const char *setting)
{
	struct err e;

	(void)setenv("AWCP_GUARDED", setting, 1);
	struct guard *g = guard_new(&e);
	if (g == NULL)
		exit(check_end());
	return g;
}

static void
test_names(void)
{
	static const char *const never[] = {".git",
					    ".git/config",
					    "a/b/.git/hooks/x",
					    ".GIT/x",
					    ".Git",
					    ".git.",
					    ".git ",
					    ".git. . /x",
					    "git~1",
					    "GIT~1/config",
					    "a/git~3/x",
					    ".git::$INDEX_ALLOCATION/x",
					    "a\\.git\\config",
					    ".g\u200cit/x",
					    "\u200d.git",
					    ".gi\ufefft/x",
					    ".git\u00ad",
					    ".g\U000e0001it",
					    ".awcp/apply",
					    ".Awcp",
					    "x/.g\u0131t/y"};
	static const char *const ask[] = {".awcpignore",
					  "a/.AWCPIGNORE",
					  ".gitattributes",
					  "gitatt~1",
					  "GI7D29~2",
					  ".gitmodules",
					  ".envrc",
					  ".envrc.local",
					  ".Envrc.",
					  ".envrc ",
					  "envrc~1",
					  ".husky/pre-commit",
					  ".hu\u017fky/x",
					  ".hus\u212ay/x",
					  ".vscode/tasks.json",
					  "a/.VSCode",
					  ".v\u017fcode/x",
					  "VSCODE~1/tasks.json",
					  "x.code-workspace",
					  ".idea/a/b",
					  ".claude/settings.json",
					  "CLAUDE~1/x",
					  ".mcp.json",
					  "mcp~1.jso",
					  ".cursor",
					  ".codex/x",
					  ".gemini/x",
					  ".con\ufb01g/x",
					  ".devcontainer/x",
					  ".pre-commit-config.yaml",
					  "lefthook.yml",
					  "lefthook-local.yml",
					  ".mise.toml",
					  "mise.local.toml",
					  ".bashrc",
					  ".\u17b4ssh/rc",
					  ".envrc::$DATA",
					  ".dir-locals-2.el"};
	static const char *const none[] = {
	    "git",           "a.git/x",      ".gitignore", ".github/workflows/x.yml",
	    "envrc",         "package.json", "Makefile",   "hooks/useThing.ts",
	    "vscode/x",      "claude.md",    "CLAUDE.md",  ".env",
	    ".editorconfig", "src/.g\xffit", ".gitx",      "xgit~1",
	    "git~",          "config",       "head/x",     ".g\u0301it",
	    ".git\xff",      "~1",           "...",        " "};
	struct guard *g = guards("");

	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		CHECK(guard_path(g, never[i]) == GUARD_NEVER, "%s is never taken", never[i]);
	for (size_t i = 0; i < sizeof ask / sizeof ask[0]; i++)
		CHECK(guard_path(g, ask[i]) == GUARD_ASK, "%s is guarded", ask[i]);
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		CHECK(guard_path(g, none[i]) == GUARD_NONE, "%s is not guarded", none[i]);
	guard_free(g);
}

static void
test_setting(void)
{
	struct err e;
	struct guard *g = guards("-.idea, tools/ *.service \u00dcBER -.lefthook*");

	CHECK(guard_path(g, ".idea/x") == GUARD_NONE, "a name can be taken out");
	CHECK(guard_path(g, "LEFTHOOK.yml") != GUARD_NONE &&
		  guard_path(g, ".lefthook.yml") == GUARD_NONE,
	      "by a pattern, too");
	CHECK(guard_path(g, "a/Tools/x") == GUARD_ASK, "a name can be added");
	CHECK(guard_path(g, "a/x.service") == GUARD_ASK, "by a pattern, too");
	CHECK(guard_path(g, "\u00fcber") == GUARD_ASK, "and its case does not matter beyond ASCII");
	CHECK(guard_path(g, ".vscode") == GUARD_ASK, "the others stay");
	guard_free(g);
	g = guards("-* .envrc");
	CHECK(guard_path(g, ".vscode") == GUARD_NONE, "all can be taken out");
	CHECK(guard_path(g, ".envrc") == GUARD_ASK, "but for those that follow");
	CHECK(guard_path(g, ".git/config") == GUARD_NEVER, "and for git's own");
	guard_free(g);
	(void)setenv("AWCP_GUARDED", "a/b", 1);
	CHECK(guard_new(&e) == NULL && e.code == ERR_CONFIG, "a path is no name");
}

static void
test_source(void)
{
	struct guard *g = guards("");

	CHECK(guard_source(g, "/home/u/p/.husky"), "a guarded directory that is lent is guarded");
	CHECK(guard_source(g, "/home/u/p/.git/hooks"), "so is one of git's own");
	CHECK(!guard_source(g, "/home/u/.claude/worktrees/p"), "but not all below a guarded one");
	guard_free(g);
}

/* What the configuration in top/.git names, of the directory ${source} that is lent. */
static bool
is_named(const char *source, const char *path)
{
	char full[4200];
	struct buf names;
	struct err e;

	(void)snprintf(full, sizeof full, "%s/%s", scratch, source);
	bool yes = guard_git_names(full, &names, &e) == 0 && guard_git_has(&names, path);
	buf_free(&names);
	return yes;
}

static void
test_configuration(void)
{
	scratch_text("top/.git/config",
		     "[core]\n\thooksPath = tools\n\tbare = false\n[include]\n"
		     "path=\"../.gitinclude\"\n[diff \"x\"]\n\ttextconv = sh ./a/b/conv -x\n"
		     "[branch \"src\"]\n\tmerge = refs/heads/main\n");
	scratch_text("top/a/b/conv", "");
	CHECK(is_named("top", "tools/pre-commit"), "hooks may lie elsewhere");
	CHECK(is_named("top", "tools"), "and so may the directory be made");
	CHECK(is_named("top", ".gitinclude"), "a configuration may be in the tree");
	CHECK(is_named("top", "a/b/conv") && is_named("top/a", "b/conv"), "or a program");
	CHECK(is_named("top/tools", "pre-push"), "all in a directory of hooks is guarded");
	CHECK(!is_named("top", "a/b/c") && !is_named("top", "false") && !is_named("top", "src/x") &&
		  !is_named("top/a", "tools/x"),
	      "what is not named is not");
}

static void
test_repository(void)
{
	static const struct {
		const char *path;
		bool is_dir, inside;
	} walk[] = {{"w", true, false},          {"w/HEADER", false, false},
		    {"w/d", true, false},        {"w/d/AUTHORS", false, false},
		    {"w/d/HEAD", false, true},   {"w/d/a", true, true},
		    {"w/d/a/HEAD", false, true}, {"w/d/a/x", false, true},
		    {"w/d/config", false, true}, {"w/d-e/config", false, false},
		    {"w/e/HEAD", true, false},   {"w/e/config", false, false}};
	struct guard *g = guards("");

	for (size_t i = 0; i < sizeof walk / sizeof walk[0]; i++)
		CHECK(guard_in_repository(g, walk[i].path, walk[i].is_dir) == walk[i].inside,
		      "%s is %s a repository", walk[i].path, walk[i].inside ? "in" : "not in");
	CHECK(guard_in_repository(g, "HEAD", false) && guard_in_repository(g, "x/y", false),
	      "what has no name in front may be one, too");
	guard_free(g);
	CHECK(guard_deceives("a/txt.\u202egpj") && guard_deceives("\u2066x"),
	      "a name may be shown backwards");
	CHECK(guard_deceives("d/head") && guard_deceives("d/Head."), "or be HEAD elsewhere");
	CHECK(!guard_deceives("d/\u05d0\u200f.txt") && !guard_deceives("a\nb") &&
		  !guard_deceives("d/heads"),
	      "others are what they are");
}

int
main(void)
{
	scratch_open();
	test_names();
	test_setting();
	test_source();
	test_configuration();
	test_repository();
	return check_end();
}
