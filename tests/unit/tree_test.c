/* tree: the order of a walk, what it leaves out, and what may not be sent. */
#include <limits.h>
#include <sys/resource.h>

#include "check.h"
#include "scratch.h"
#include "base/id.h"
#include "base/sha256.h"
#include "tree/admit.h"
#include "tree/walk.h"

static void
test_names(void)
{
	static const struct {
		const char *name;
		bool valid;
	} names[] = {
	    {"ws", true},
	    {"a b", true},
	    {"\xc3\xbc", true},
	    {"..x", true},
	    {".hidden", true},
	    {"", false},
	    {".", false},
	    {"..", false},
	    {".awcp", false},
	    {"a/b", false},
	    {"/", false},
	    {"a\nb", false},
	    {"\x7f", false},
	    {"\xff", false},
	    {"\xc0\x80", false},
	    {"\xed\xa0\x80", false},
	    {"\xf5\x80\x80\x80", false},
	    {"\xe2\x82", false},
	};
	char longest[257] = "";

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK(id_resource_valid(names[i].name) == names[i].valid, "name %zu is %s", i,
		      names[i].valid ? "good" : "bad");
	memset(longest, 'a', 256);
	CHECK(!id_resource_valid(longest), "256 bytes are too many for a name");
	CHECK(id_resource_valid(longest + 1), "255 are not");
}

static void
test_order(void)
{
	static const char *const sorted[] = {"a",   "a/",  "a/b", "a/b/c", "a\x01",
					     "a b", "a-b", "a.c", "b",     "b\xff"};
	size_t n = sizeof sorted / sizeof sorted[0];

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			int order = tree_order(sorted[i], sorted[j]);
			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				CHECK(false, "\"%s\" and \"%s\" are in order", sorted[i],
				      sorted[j]);
		}
	CHECK(true, "paths are ordered with '/' before every other byte");
}

static void
test_links(void)
{
	static const struct {
		const char *path, *target;
		bool inside;
	} links[] = {
	    {"l", "a", true},           {"l", "a/b", true},
	    {"l", ".", true},           {"l", "./a", true},
	    {"d/l", "..", true},        {"d/l", "../a", true},
	    {"d/e/l", "../../a", true}, {"d/l", "..//a/", true},
	    {"l", "..a", true},         {"l", "...", true},
	    {"l", "", false},           {"l", "/", false},
	    {"l", "/a", false},         {"l", "..", false},
	    {"l", "../a", false},       {"d/l", "../../a", false},
	    {"l", "a/..", false},       {"l", "a/../b", false},
	    {"l", "./../a", false},     {"d/l", "../a/../../b", false},
	};

	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
		CHECK(tree_link_inside(links[i].path, links[i].target) == links[i].inside,
		      "a link %s to \"%s\" %s", links[i].path, links[i].target,
		      links[i].inside ? "stays inside" : "may leave");
}

/* Walk it all; the paths with their types, a line each, go to ${out}.  Returns the entries or -1.
 */
static long
walk(const struct resource *r, size_t n, char *out, size_t size, struct err *e)
{
	struct walk *t = walk_open(r, n, e);
	struct entry *entry;
	size_t used = 0;
	long count = 0;
	int status;

	if (out != NULL)
		*out = '\0';
	if (t == NULL)
		return -1;
	while ((status = walk_next(t, &entry, e)) == 1) {
		count++;
		if (out != NULL && used < size)
			used += (size_t)snprintf(out + used, size - used, "%c %s\n", entry->type,
						 entry->path);
	}
	walk_close(t);
	return status < 0 ? -1 : count;
}

static void
test_walk(void)
{
	char seen[1024];
	struct err e;
	struct resource both[] = {{.name = (char[]){"z"}, .source = (char[]){"one"}},
				  {.name = (char[]){"b"}, .source = (char[]){"two"}}};
	struct resource bare = {.name = (char[]){""}, .source = (char[]){"one"}};

	scratch_text("one/a/x", "1");
	scratch_text("one/a-b", "2");
	scratch_text("one/.awcp/manifest.json", "3");
	scratch_text("one/a/.awcp/x", "4");
	scratch_link("one/link", "a");
	scratch_link("one/dangling", "nowhere");
	(void)mkfifo("one/pipe", 0600);
	scratch_dir("two/empty");
	CHECK_INT(walk(both, 2, seen, sizeof seen, &e), 11, "two resources are walked");
	CHECK_STR(seen,
		  "d b\nd b/empty\nd z\nd z/a\nd z/a/.awcp\nf z/a/.awcp/x\nf z/a/x\nf z/a-b\n"
		  "l z/dangling\nl z/link\n? z/pipe\n",
		  "by name, depth first, through no link, without the .awcp at the top");
	CHECK_INT(walk(&bare, 1, seen, sizeof seen, &e), 8, "a resource may have no name");
	CHECK(strncmp(seen, "d a\n", 4) == 0, "then its paths begin with its entries");
}

static void
test_missing(void)
{
	struct resource gone = {.name = (char[]){"ws"}, .source = (char[]){"nowhere"}};
	struct resource file = {.name = (char[]){"ws"}, .source = (char[]){"one/a-b"}};
	struct err e;

	CHECK_INT(walk(&gone, 1, NULL, 0, &e), -1, "a directory that is not there is an error");
	CHECK_INT(e.code, ERR_WORKSPACE_NOT_FOUND, "of its own kind");
	CHECK_INT(walk(&file, 1, NULL, 0, &e), -1, "so is a file in its place");
	CHECK_INT(e.code, ERR_WORKSPACE_NOT_FOUND, "of the same kind");
}

static void
test_filtered(void)
{
	char seen[1024];
	struct err e;
	struct resource r = {
	    .name = (char[]){"w"}, .source = (char[]){"f"}, .filter = filter_new(&e)};

	scratch_text("f/.awcpignore", "*.o\nout/\n");
	scratch_text("f/x.o", "");
	scratch_text("f/x.c", "");
	scratch_text("f/out/x", "");
	scratch_text("f/sub/.awcpignore", "!x.o\n");
	scratch_text("f/sub/x.o", "");
	(void)filter_exclude(r.filter, "secret", &e);
	scratch_text("f/sub/secret", "");
	for (int i = 0; i < 2; i++) {
		CHECK_INT(walk(&r, 1, seen, sizeof seen, &e), 6,
			  "what the filter leaves out is not seen");
		CHECK_STR(
		    seen,
		    "d w\nf w/.awcpignore\nd w/sub\nf w/sub/.awcpignore\nf w/sub/x.o\nf w/x.c\n",
		    "and the rest is");
	}
	filter_free(r.filter);
}

/* Build ${depth} directories "d" in each other below ${top}. */
static void
make_deep(const char *top, int depth)
{
	scratch_dir(top);
	int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		int next = -1;
		if (mkdirat(at, "d", 0700) == 0 && mkdirat(at, "e", 0700) == 0)
			next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			scratch_fail(top);
		(void)close(at);
		at = next;
	}
	(void)close(at);
}

static void
test_deep(void)
{
	struct resource r = {.name = (char[]){"w"}, .source = (char[]){"deep"}};
	struct rlimit old, few;
	struct err e;

	make_deep("deep", 1500);
	(void)getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = 64;
	(void)setrlimit(RLIMIT_NOFILE, &few);
	CHECK_INT(walk(&r, 1, NULL, 0, &e), 3001, "1,500 levels are walked with 64 descriptors");
	(void)setrlimit(RLIMIT_NOFILE, &old);
	make_deep("deeper", 2100);
	r.source = (char[]){"deeper"};
	CHECK_INT(walk(&r, 1, NULL, 0, &e), -1, "a path of more than 4,095 bytes is an error");
	CHECK_INT(e.code, ERR_WORKSPACE_INVALID, "of the workspace");
}

/* A directory whose names do not fit a batch. */
static void
test_wide(void)
{
	enum { MANY = 6000 };
	struct resource r = {.name = (char[]){""}, .source = (char[]){"wide"}};
	char name[256], last[256] = "";
	struct entry *entry;
	struct err e;
	long count = 0;
	bool sorted = true;

	scratch_dir("wide");
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "wide/%0240d", (i * 7919) % MANY);
		int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		(void)close(fd);
	}
	struct walk *t = walk_open(&r, 1, &e);
	while (walk_next(t, &entry, &e) == 1) {
		sorted = sorted && strcmp(last, entry->path) < 0;
		strcpy(last, entry->path);
		count++;
	}
	walk_close(t);
	CHECK_INT(count, MANY, "a directory of more names than fit in memory is walked whole");
	CHECK(sorted, "and in order");
}

static void
test_files(void)
{
	struct resource r = {.name = (char[]){"w"}, .source = (char[]){"h"}};
	struct entry *entry;
	const char *name;
	struct err e;

	scratch_text("h/abc", "abc");
	struct walk *t = walk_open(&r, 1, &e);
	(void)walk_next(t, &entry, &e);
	(void)walk_next(t, &entry, &e);
	CHECK_INT(entry->size, 3, "a file has its size");
	CHECK_INT(walk_hash(t, entry, &e), 0, "and can be hashed");
	CHECK_STR(entry->sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		  "with SHA-256");
	CHECK(walk_at(t, &name) >= 0 && strcmp(name, "abc") == 0, "its directory is at hand");
	(void)unlink("h/abc");
	(void)mkfifo("h/abc", 0600);
	CHECK_INT(walk_open_file(t, &e), -1, "a FIFO that took its place is not opened");
	CHECK_INT(e.code, ERR_BUSY, "but reported as a change");
	walk_close(t);
}

/* What tree_admit says of "adm". */
static int
admit(const struct tree_limits *l, struct tree_totals *totals, struct err *e)
{
	struct resource r = {.name = (char[]){"w"}, .source = (char[]){"adm"}};

	e->code = ERR_NONE;
	return tree_admit(&r, 1, l, NULL, totals, e);
}

static void
test_admission(void)
{
	static const char *const secrets[] = {".env",
					      ".env.local",
					      "x.pem",
					      "y.key",
					      "z.p12",
					      "z.pfx",
					      "id_rsa",
					      "id_rsa.pub",
					      "id_ed25519",
					      "id_ecdsa_sk",
					      "credentials.json",
					      "service-account-7.json",
					      ".npmrc",
					      ".pypirc"};
	static const char *const harmless[] = {"env",
					       ".environment",
					       "xpem",
					       "pem",
					       "rsa_id",
					       "credentials.json.md",
					       "service-account.txt"};
	struct tree_limits l = {.bytes = 100, .files = 20, .file_bytes = 50};
	struct tree_totals totals;
	struct err e;
	char path[64];

	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
		(void)snprintf(path, sizeof path, "adm/%s", harmless[i]);
		scratch_text(path, "12345");
	}
	scratch_dir("adm/sub");
	scratch_link("adm/link", "env");
	CHECK_INT(admit(&l, &totals, &e), 0, "what is harmless and small is admitted");
	CHECK_INT(totals.files, 7, "files are counted");
	CHECK_INT(totals.bytes, 35, "and their bytes");
	CHECK_INT(totals.directories, 2, "and directories");
	CHECK_INT(totals.links, 1, "and links");
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		(void)snprintf(path, sizeof path, "adm/sub/%s", secrets[i]);
		scratch_text(path, "");
		CHECK(admit(&l, &totals, &e) < 0 && e.code == ERR_SENSITIVE_FILES, "%s is a secret",
		      secrets[i]);
		CHECK(strstr(e.message, secrets[i]) != NULL, "and is named");
		(void)unlink(path);
	}
	scratch_text("adm/.env", "");
	l.sensitive_ok = true;
	CHECK_INT(admit(&l, &totals, &e), 0, "secrets may be allowed");
	l.files = 7;
	CHECK(admit(&l, &totals, &e) < 0 && e.code == ERR_WORKSPACE_TOO_LARGE &&
		  strstr(e.hint, "AWCP_MAX_FILES") != NULL,
	      "too many files are refused, with the variable that says so");
	l.files = 20;
	l.bytes = 34;
	CHECK(admit(&l, &totals, &e) < 0 && strstr(e.hint, "AWCP_MAX_BYTES") != NULL,
	      "too many bytes are, too");
	l.bytes = 100;
	l.file_bytes = 4;
	CHECK(admit(&l, &totals, &e) < 0 && strstr(e.hint, "AWCP_MAX_FILE_BYTES") != NULL,
	      "and too large a file");
}

static void
test_limits(void)
{
	struct tree_limits l;
	struct err e;

	(void)unsetenv("AWCP_MAX_BYTES");
	CHECK_INT(tree_limits(&l, &e), 0, "there are limits without being asked");
	CHECK_INT(l.bytes, 100 << 20, "100 MiB in all");
	(void)setenv("AWCP_MAX_BYTES", "2G", 1);
	(void)setenv("AWCP_SENSITIVE", "allow", 1);
	CHECK_INT(tree_limits(&l, &e), 0, "the environment may set them");
	CHECK(l.bytes == 2ULL << 30 && l.sensitive_ok, "and does");
	(void)setenv("AWCP_MAX_BYTES", "many", 1);
	CHECK_INT(tree_limits(&l, &e), -1, "what is not a number is refused");
}

/* Does ${r} open?  The code if not. */
static enum err_code
opened(const char *source, bool named)
{
	struct resource r = {.source = (char *)(uintptr_t)source, .named = named};
	struct err e = {0};

	int fd = resource_open(&r, &e);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 ? ERR_NONE : e.code;
}

/* A caller's directory, of which a part has become a link since it was allowed. */
static void
test_named(void)
{
	char path[PATH_MAX], *here = realpath(".", NULL);

	scratch_dir("root/a/b");
	scratch_dir("outside/b");
	(void)snprintf(path, sizeof path, "%s/root/a/b", here);
	CHECK_INT(opened(path, true), ERR_NONE, "a path without links is opened");
	CHECK_INT(opened("/", true), ERR_NONE, "and the top of all");
	if (rename("root/a", "root/old") < 0)
		scratch_fail("root/a");
	CHECK_INT(opened(path, true), ERR_NOT_FOUND, "what is gone is not there");
	scratch_link("root/a", "../outside");
	CHECK_INT(opened(path, true), ERR_WORKDIR_DENIED, "a link on the way is not followed");
	CHECK_INT(opened(path, false), ERR_NONE, "but for who named it here");
	(void)unlink("root/a");
	scratch_dir("root/a");
	scratch_link("root/a/b", "../../outside/b");
	CHECK_INT(opened(path, true), ERR_WORKDIR_DENIED, "nor one at its end");
	free(here);
}

int
main(void)
{
	scratch_open();
	test_named();
	test_names();
	test_order();
	test_links();
	test_walk();
	test_missing();
	test_filtered();
	test_deep();
	test_wide();
	test_files();
	test_admission();
	test_limits();
	return check_end();
}
