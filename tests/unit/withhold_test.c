/* withhold: what cannot be sent back comes back as it was received, whatever the form. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "archive/pack.h"
#include "archive/unpack.h"
#include "check.h"
#include "scratch.h"
#include "tree/manifest.h"

static struct unpack_limits limits = {.entries = 10000, .bytes = 1 << 30, .depth = 1000};

struct form {
	const char *name;
	enum pack_format format;
	bool fidelity, delta;
};

static const struct form forms[] = {
    {"a delta", PACK_TAR_ZST, true, true},
    {"a ZIP with links", PACK_ZIP, true, false},
    {"a ZIP for a peer that keeps nothing", PACK_ZIP, false, false},
};

/* Have src/ sent and unpacked in work/. */
static void
receive(const struct form *f)
{
	const struct pack_options o = {.format = f->format, .fidelity = f->fidelity};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"src"}};
	struct unpack_totals out;
	struct pack_totals in;
	struct err e;

	(void)scratch_run("chmod -R u+rwx work out 2>/dev/null; rm -rf work out");
	scratch_dir("work");
	int fd = scratch_new("workspace"), manifest = scratch_new("received");
	int dir = open("work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pack(&r, 1, &o, &(struct tree){-1, fd, NULL}, &in, &e) < 0 ||
	    unpack(&(struct tree){manifest, fd, NULL}, dir, &limits, &out, &e) < 0) {
		(void)printf("# %s\n", e.message);
		exit(1);
	}
	(void)close(fd);
	(void)close(manifest);
	(void)close(dir);
}

static char named[8192];

static void
note(void *arg, const char *why)
{
	size_t n = strlen(named);

	(void)arg;
	(void)snprintf(named + n, sizeof named - n, "%s\n", why);
}

/* Pack work/ into back, as what a task left behind. */
static int
pack_back(const struct form *f, struct pack_totals *totals, struct err *e)
{
	const struct pack_options o = {
	    .format = f->format, .fidelity = f->fidelity, .lenient = true, .withheld = note};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"work/ws"}};
	struct tree received = {open("received", O_RDONLY | O_CLOEXEC),
				open("workspace", O_RDONLY | O_CLOEXEC), NULL};
	struct tree back = {f->delta ? scratch_new("list") : -1, scratch_new("back"), &received};

	named[0] = '\0';
	int status = pack(&r, 1, &o, &back, totals, e);
	tree_close(&received);
	tree_close(&back);
	return status;
}

/* Unpack it in out/, as if a delegator had put it together. */
static int
take_back(const struct form *f, struct err *e)
{
	struct unpack_totals totals;

	if (f->delta) /* the list tells */
		return 0;
	scratch_dir("out");
	int fd = open("back", O_RDONLY | O_CLOEXEC), manifest = scratch_new("got");
	int dir = open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = unpack(&(struct tree){manifest, fd, NULL}, dir, &limits, &totals, e);
	(void)close(fd);
	(void)close(dir);
	(void)close(manifest);
	return status;
}

/* Is ${path} of what came back what the shell's [ ${path} ] would say of src/? */
static bool
is_as_sent(const struct form *f, const char *path)
{
	char command[512];

	if (f->delta)
		(void)snprintf(command, sizeof command, "grep -q '^f! .* ws/%s$' list", path);
	else
		(void)snprintf(command, sizeof command, "cmp -s 'src/%s' 'out/ws/%s'", path, path);
	return scratch_run(command) == 0;
}

static bool
is_there(const struct form *f, const char *path)
{
	char command[512];

	if (f->delta)
		(void)snprintf(command, sizeof command, "grep -q ' ws/%s\\(\t.*\\)*$' list", path);
	else
		(void)snprintf(command, sizeof command, "[ -e 'out/ws/%s' ] || [ -L 'out/ws/%s' ]",
			       path, path);
	return scratch_run(command) == 0;
}

/* Every way in which a path can become something that cannot be sent. */
static const struct {
	const char *how, *path, *kept[3];
} ways[] = {
    {"rm file; ln -s /etc/hostname file", "file", {"file"}},
    {"rm file; mkfifo file", "file", {"file"}},
    {"rm -r dir; ln -s /etc dir", "dir", {"dir/a", "dir/sub/b"}},
    {"rm -r dir; mkfifo dir", "dir", {"dir/a", "dir/sub/b"}},
    {"rm -r dir/sub; mkfifo dir/sub; rm dir.x", "dir/sub", {"dir/sub/b", "dir/a"}},
    {"chmod 0 file", "file", {"file"}},
    {"echo new >file; chmod 0 file", "file", {"file"}},
    {"echo new >dir/a; chmod 0 dir", "dir", {"dir/a", "dir/sub/b"}},
    {"echo new >dir/a; rm -r dir/sub; chmod 0400 dir", "ws/dir", {"dir/a"}},
    {"chmod 0 dir/a dir/sub/b file", "dir/sub/b", {"dir/a", "dir/sub/b", "file"}},
    {"mkfifo fresh", "fresh", {NULL}},
    {"ln -s ../../../up fresh", "fresh", {NULL}},
};

static void
test_ways(const struct form *f)
{
	struct pack_totals totals;
	char command[512];
	struct err e = {0};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		receive(f);
		(void)snprintf(command, sizeof command, "cd work/ws && rm gone && %s", ways[i].how);
		(void)scratch_run(command);
		if (!CHECK(pack_back(f, &totals, &e) == 0 && take_back(f, &e) == 0,
			   "%s, after %s: the rest comes back", f->name, ways[i].how)) {
			printf("# %s\n", e.message);
			continue;
		}
		for (size_t j = 0; j < 3 && ways[i].kept[j] != NULL; j++)
			CHECK(is_as_sent(f, ways[i].kept[j]), "%s, after %s: %s is as it was",
			      f->name, ways[i].how, ways[i].kept[j]);
		CHECK(totals.withheld > 0 && strstr(named, ways[i].path) != NULL,
		      "%s, after %s: it is named", f->name, ways[i].how);
		CHECK(!is_there(f, "fresh") && !is_there(f, "gone"),
		      "%s, after %s: what is gone is gone", f->name, ways[i].how);
		CHECK(is_there(f, "stays"), "%s, after %s: what is there is there", f->name,
		      ways[i].how);
	}
}

static void
test_nothing_withheld(const struct form *f)
{
	struct pack_totals totals;
	struct err e;

	receive(f);
	(void)scratch_run("cd work/ws && rm -r gone dir && echo x >stays && mkdir new");
	CHECK(pack_back(f, &totals, &e) == 0 && take_back(f, &e) == 0, "%s is packed", f->name);
	CHECK(totals.withheld == 0 && totals.changed == 4, "%s: and nothing is withheld", f->name);
	CHECK(!is_there(f, "dir") && !is_there(f, "dir/sub/b"), "%s: a directory may go", f->name);
}

/* Links, for a reader that would delete what it does not get. */
static void
test_directories(void)
{
	const struct form *plain = &forms[2];
	struct pack_totals totals;
	struct err e;

	receive(plain);
	(void)scratch_run("cd work/ws && mkdir -p .awcp real/deep && echo 1 >.awcp/own && "
			  "echo 2 >real/deep/x && ln -s deep/x real/file && ln -s real link && "
			  "ln -s ../link/deep real/again && ln -s . self && ln -s ../.. real/up && "
			  "ln -s b a && ln -s a b && rm -r dir && ln -s real dir");
	CHECK(pack_back(plain, &totals, &e) == 0 && take_back(plain, &e) == 0, "links are packed");
	CHECK_INT(scratch_run("cmp out/ws/link/deep/x src/two && cmp out/ws/link/file src/two && "
			      "cmp out/ws/link/again/x src/two && cmp out/ws/dir/file src/two"),
		  0, "a link to a directory is sent as what is in there, and so on");
	CHECK(!is_there(plain, "self") && !is_there(plain, "real/up") && !is_there(plain, "a"),
	      "one that leads round is not");
	CHECK(strstr(named, "ws/self") != NULL && strstr(named, "ws/b") != NULL, "and is named");
	CHECK(!is_there(plain, "dir/sub/b"), "what it replaced is gone");
	CHECK(is_there(plain, ".awcp/own"), "nothing is kept back for its name");
}

static void
test_names(void)
{
	const struct form *plain = &forms[2];
	struct pack_totals totals;
	struct err e;

	receive(plain);
	scratch_text("work/ws/back\\slash", "");
	scratch_text("work/ws/not\xff utf8", "");
	scratch_text("work/ws/new\nline", "");
	CHECK(pack_back(plain, &totals, &e) == 0 && take_back(plain, &e) == 0, "names are packed");
	CHECK_INT(totals.withheld, 2, "two of them no reader of a plain ZIP keeps");
	CHECK(strstr(named, "back\\slash") != NULL, "which are named");
	CHECK(access("out/ws/new\nline", F_OK) == 0, "control characters are no trouble");
}

/* The disk is broken in file ${broken}, from ${broken_at} on. */
static ino_t broken;
static off_t broken_at;

ssize_t
read(int fd, void *p, size_t n)
{
	struct stat st;

	if (broken != 0 && fstat(fd, &st) == 0 && st.st_ino == broken &&
	    lseek(fd, 0, SEEK_CUR) >= broken_at) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, p, n);
}

static void
test_broken_disk(const struct form *f)
{
	static const struct {
		const char *what, *how;
		off_t at;
	} all[] = {{"from its start", "echo longer >dir/a", 0},
		   {"in a file of the same size", "printf A >dir/a", 0},
		   {"amid it", "head -c 400000 /dev/zero | tr '\\0' x >dir/a", 200000}};
	struct pack_totals totals;
	struct stat st;
	char command[512];
	struct err e = {0};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		receive(f);
		(void)snprintf(command, sizeof command,
			       "cd work/ws && rm gone && echo new >stays && %s", all[i].how);
		(void)scratch_run(command);
		if (stat("work/ws/dir/a", &st) < 0)
			scratch_fail("stat");
		broken = st.st_ino;
		broken_at = all[i].at;
		int status = pack_back(f, &totals, &e);
		broken = 0;
		CHECK(status == 0 && take_back(f, &e) == 0,
		      "%s, the disk broken %s: the rest comes back: %s", f->name, all[i].what,
		      e.message);
		CHECK(is_as_sent(f, "dir/a") && strstr(named, "dir/a") != NULL,
		      "%s, the disk broken %s: the file is as it was, and named", f->name,
		      all[i].what);
		CHECK(is_there(f, "stays") && !is_there(f, "gone") && !is_as_sent(f, "stays"),
		      "%s, the disk broken %s: the others are as the task left them", f->name,
		      all[i].what);
		CHECK_INT(totals.withheld, 1, "it is one");
	}
}

int
main(void)
{
	scratch_open();
	if (geteuid() == 0) /* root may read everything */
		if (chown(".", 65534, 65534) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		    setresuid(65534, 65534, 65534) < 0)
			scratch_fail("setresuid");
	scratch_text("src/file", "file");
	scratch_text("src/dir/a", "a");
	scratch_text("src/dir/sub/b", "b");
	scratch_text("src/dir.x", "x");
	scratch_text("src/gone", "gone");
	scratch_text("src/stays", "stays");
	scratch_text("src/two", "2\n");
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		test_ways(&forms[i]);
		test_nothing_withheld(&forms[i]);
		test_broken_disk(&forms[i]);
	}
	test_directories();
	test_names();
	(void)scratch_run("chmod -R u+rwx work");
	return check_end();
}
