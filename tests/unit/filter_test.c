/* filter: gitignore(5) as git understands it, and what is ours beyond it. */
#include "check.h"
#include "tree/filter.h"
#include "tree/glob.h"
#include "scratch.h"

static void
test_glob(void)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
	    {"a", "a", true},
	    {"a", "b", false},
	    {"", "", true},
	    {"", "a", false},
	    {"*", "abc", true},
	    {"*", "a/b", false},
	    {"a*c", "abbc", true},
	    {"a*c", "abbd", false},
	    {"*.c", "x.c", true},
	    {"*a*b*", "xaxbx", true},
	    {"?", "a", true},
	    {"?", "/", false},
	    {"a/*", "a/b", true},
	    {"a/*", "a/b/c", false},
	    {"**/a", "a", true},
	    {"**/a", "x/y/a", true},
	    {"**/a", "xa", false},
	    {"a/**", "a/x/y", true},
	    {"a/**", "a", false},
	    {"**", "", true},
	    {"a/**/b", "a/b", true},
	    {"a/**/b", "a/x/y/b", true},
	    {"a/**/b", "a/xb", false},
	    {"a**b", "axxb", true},
	    {"[ab]", "b", true},
	    {"[!ab]", "b", false},
	    {"[^ab]", "c", true},
	    {"[a-c]x", "bx", true},
	    {"[a-c]x", "dx", false},
	    {"[]a]", "]", true},
	    {"[a-]", "-", true},
	    {"[\\]]", "]", true},
	    {"[[:digit:]]", "7", true},
	    {"[[:alpha:]]", "7", false},
	    {"[[:nope:]]", "n", false},
	    {"[!a]", "/", false},
	    {"[a", "[a", false},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"a\\", "a\\", false},
	    {"\\a", "a", true},
	    {"**/x/**/y", "a/x/b/x/c/y", true},
	    {"**/*.c", "a/b/x.c", true},
	    {"*/**/z", "a/z", true},
	    {"*/**/z", "z", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK(glob_match(cases[i].pattern, cases[i].text) == cases[i].matches,
		      "\"%s\" %s \"%s\"", cases[i].pattern,
		      cases[i].matches ? "matches" : "does not match", cases[i].text);
}

/* A hundred stars against what almost matches: a matcher that tries everything never ends here. */
static void
test_glob_ends(void)
{
	char pattern[402], text[4001];

	for (size_t i = 0; i < 400; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	strcpy(pattern + 400, "b");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	CHECK(!glob_match(pattern, text), "a pattern of many stars is decided in time");
}

static const char *const paths[] = {
    "a/",    "a/a",  "a/b",  "a/ab.c", "a/b.c/", "a/b.c/a", "a/b.c/x",   "b",       "ab",
    "a.c",   "b.c",  "c/",   "c/a/",   "c/a/b/", "c/a/b/c", "c/a/b/a.c", "c/b",     "c/x y",
    "c/#x",  "c/!x", "x/",   "x/x/",   "x/x/x",  "x/x/a",   "x/a b",     "-",       "]",
    "x]",    "[a]",  "a\\b", "sp ",    "d/",     "d/e/",    "d/e/f/",    "d/e/f/a", "d/e/f/b.c",
    "d/e/a", ".c",   ".a/",  ".a/b",   "D/",     "D/a",
};
#define PATHS (sizeof paths / sizeof paths[0])

static unsigned long long state = 42;

static unsigned
draw(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % n;
}

/* A pattern of pieces that mean something. */
static void
draw_pattern(char *out)
{
	static const char *const pieces[] = {
	    "a",    "b",     "c",    "x",      "*",           "?",   ".c",    "*.c", "[ab]",
	    "[!a]", "[a-c]", "\\a",  "[]]",    "[[:alpha:]]", "x y", "d",     "e",   "f",
	    "\\*",  ".",     "[^x]", "[\\]a]", "**",          "a**", "[z-a]", "[",   "a "};

	*out = '\0';
	if (draw(4) == 0)
		strcat(out, "!");
	if (draw(5) == 0)
		strcat(out, "/");
	if (draw(6) == 0)
		strcat(out, "**/");
	for (unsigned i = 0, n = 1 + draw(3); i < n; i++) {
		for (unsigned k = 0, m = 1 + draw(2); k < m; k++)
			strcat(out, pieces[draw(sizeof pieces / sizeof pieces[0])]);
		if (i + 1 < n)
			strcat(out, draw(4) == 0 ? "/**/" : "/");
	}
	if (draw(8) == 0)
		strcat(out, "/**");
	if (draw(5) == 0)
		strcat(out, "/");
	if (draw(10) == 0)
		strcat(out, "  ");
}

static void
draw_file(const char *git, const char *ours)
{
	char text[1024] = "# a comment\n\n", pattern[128];

	for (unsigned i = 0, n = 1 + draw(4); i < n; i++) {
		draw_pattern(pattern);
		strcat(text, pattern);
		strcat(text, draw(12) == 0 ? "\r\n" : "\n");
	}
	if (draw(6) == 0)
		text[strlen(text) - 1] = '\0'; /* the last line without its newline */
	scratch_text(git, text);
	scratch_text(ours, text);
}

/* The path of number ${i}, without the slash that marks a directory. */
static const char *
path_of(size_t i, char out[64], bool *is_dir)
{
	size_t n = strlen(paths[i]);

	*is_dir = paths[i][n - 1] == '/';
	(void)snprintf(out, 64, "%.*s", (int)(n - *is_dir), paths[i]);
	return out;
}

static void
make_tree(void)
{
	char path[64];
	bool is_dir;

	int fd = scratch_new("../paths");
	for (size_t i = 0; i < PATHS; i++) {
		size_t n = strlen(path_of(i, path, &is_dir));
		if (is_dir)
			scratch_dir(path);
		else
			scratch_text(path, "");
		if (write(fd, path, n + 1) < 0)
			scratch_fail("paths");
	}
	(void)close(fd);
}

/* True if ${path} is among what git printed. */
static bool
git_ignores(const char *printed, size_t n, const char *path)
{
	for (const char *p = printed; p < printed + n; p += strlen(p) + 1)
		if (strcmp(p, path) == 0)
			return true;
	return false;
}

/* Compare all paths; the first difference goes to ${path}. */
static bool
same_as_git(struct filter *f, const char **path)
{
	static char printed[8192];
	struct err e;

	int status = scratch_run("git check-ignore --no-index -z --stdin <../paths >../ignored");
	if (status != 0 && status != 1)
		scratch_fail("git check-ignore");
	int fd = open("../ignored", O_RDONLY | O_CLOEXEC), root = open(".", O_RDONLY | O_CLOEXEC);
	ssize_t n = file_read(fd, printed, sizeof printed - 1, &e);
	(void)close(fd);
	*path = NULL;
	for (size_t i = 0; i < PATHS && *path == NULL; i++) {
		char name[64];
		bool excluded = false, is_dir;
		path_of(i, name, &is_dir);
		if (filter_check(f, root, name, is_dir, &excluded, &e) < 0 ||
		    excluded != git_ignores(printed, (size_t)n, name))
			*path = paths[i];
	}
	(void)close(root);
	return *path == NULL;
}

static void
test_as_git(void)
{
	unsigned differences = 0;
	const char *path;
	struct err e;

	(void)setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
	(void)setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1);
	scratch_dir("tree");
	if (chdir("tree") < 0 || scratch_run("git init -q .") != 0)
		scratch_fail("git init");
	make_tree();
	struct filter *f = filter_new(&e);
	for (int round = 0; round < 300 && differences < 5; round++) {
		draw_file(".gitignore", ".awcpignore");
		draw_file("c/.gitignore", "c/.awcpignore");
		draw_file("d/e/.gitignore", "d/e/.awcpignore");
		if (!same_as_git(f, &path)) {
			differences++;
			CHECK(false, "%s is left out as git would", path);
			(void)scratch_run("tail -n +1 .gitignore c/.gitignore d/e/.gitignore");
		}
	}
	CHECK_INT(differences, 0, "300 random .awcpignore files mean what git says that they mean");
	filter_free(f);
	if (chdir("..") < 0)
		scratch_fail("..");
}

/* What the filter says of ${path}, with the .awcpignore files in "own". */
static bool
excludes(struct filter *f, const char *path, bool is_dir)
{
	struct err e = {0};
	bool excluded = false;
	int root = open("own", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!CHECK(filter_check(f, root, path, is_dir, &excluded, &e) == 0, "%s is looked at",
		   path))
		printf("# %s\n", e.message);
	(void)close(root);
	return excluded;
}

static void
test_ours(void)
{
	struct err e;
	struct filter *f = filter_new(&e);

	scratch_text("own/.awcpignore", "*.log\n!keep.log\n/build/\n");
	scratch_text("own/sub/.awcpignore", "!*.log\nsecret\n");
	CHECK(excludes(f, "x.log", false), "a pattern of the top counts");
	CHECK(!excludes(f, "keep.log", false), "and is taken back by a later one");
	CHECK(!excludes(f, "sub/x.log", false), "the deeper file wins");
	CHECK(excludes(f, "sub/secret", false), "and adds its own");
	CHECK(!excludes(f, "secret", false), "which count only below it");
	CHECK(excludes(f, "build/x", false), "what lies in a directory left out is left out");
	CHECK(!excludes(f, "sub/build", true), "an anchored pattern counts only there");
	CHECK(!excludes(f, "gone/build", true), "directories that are not there say nothing");
	CHECK(excludes(f, ".awcp", true), ".awcp at the top is never part");
	CHECK(!excludes(f, "sub/.awcp", true), "below it is a name like others");
	CHECK_INT(filter_exclude(f, "!build/", &e), 0, "a pattern may be given");
	CHECK(!excludes(f, "build/x", false), "and wins over all files");
	CHECK_INT(filter_exclude(f, "keep.*", &e), 0, "another, too");
	CHECK(excludes(f, "keep.log", false), "also to exclude");
	filter_free(f);
}

static void
test_include(void)
{
	struct err e;
	struct filter *f = filter_new(&e);

	(void)filter_include(f, "src/", &e);
	(void)filter_include(f, "*.md", &e);
	(void)filter_include(f, "!src/big", &e);
	CHECK(!excludes(f, "src/a/b.c", false), "what lies in an included directory is part");
	CHECK(!excludes(f, "doc/x.md", false), "what an include names is part");
	CHECK(excludes(f, "doc/x.txt", false), "nothing else is");
	CHECK(!excludes(f, "doc", true), "directories are, for what may lie in them");
	CHECK(excludes(f, "src/big", false), "an include can be taken back");
	CHECK(excludes(f, "x.log.md.log", false), "an exclusion wins over an include");
	filter_free(f);
}

static void
test_bad(void)
{
	char *longest = malloc(5000);
	struct err e;
	struct filter *f = filter_new(&e);
	bool excluded;

	memset(longest, 'a', 4999);
	longest[4999] = '\0';
	CHECK_INT(filter_exclude(f, "", &e), -1, "an empty pattern is refused");
	CHECK_INT(e.code, ERR_USAGE, "as wrong usage");
	CHECK_INT(filter_exclude(f, "# x", &e), -1, "so is a comment");
	CHECK_INT(filter_include(f, longest, &e), -1, "so is one that is too long");
	scratch_file("bad/.awcpignore", longest, 4999);
	int root = open("bad", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(filter_check(f, root, "x", false, &excluded, &e), -1,
		  "an .awcpignore that cannot be understood lets nothing pass");
	(void)close(root);
	(void)unlink("bad/.awcpignore");
	scratch_link("bad/.awcpignore", "/dev/null");
	root = open("bad", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(filter_enter(f, root, "", &e), -1, "nor one that is a link");
	(void)close(root);
	filter_free(f);
	free(longest);
}

int
main(void)
{
	scratch_open();
	test_glob();
	test_glob_ends();
	test_as_git();
	test_ours();
	test_include();
	test_bad();
	return check_end();
}
