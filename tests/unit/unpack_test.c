/* unpack: what someone sends who means harm, or whose disk was full. */
#include <archive.h>
#include <archive_entry.h>

#include "check.h"
#include "base/file.h"
#include "archive/extract.h"
#include "scratch.h"
#include "archive/unpack.h"

static struct unpack_limits limits = {.entries = 100, .bytes = 1 << 20, .depth = 20};

/* What a test puts into an archive. */
struct item {
	const char *path;
	unsigned type;      /* AE_IFREG if 0 */
	mode_t mode;        /* 0644 if 0 */
	const char *target; /* of a link; of a hard link if the type is 0 */
	const char *text;   /* of a file */
};

/* Write an archive with ${n} items as they are. */
static void
make(const char *name, bool zip, const struct item *items, size_t n)
{
	struct archive *a = archive_write_new();

	if (zip && archive_write_set_format_zip(a) == ARCHIVE_OK)
		(void)archive_write_zip_set_compression_store(a);
	if (!zip)
		(void)archive_write_set_format_pax_restricted(a);
	if (archive_write_open_filename(a, name) != ARCHIVE_OK)
		scratch_fail(name);
	for (size_t i = 0; i < n; i++) {
		const struct item *it = &items[i];
		struct archive_entry *h = archive_entry_new();
		archive_entry_copy_pathname(h, it->path);
		archive_entry_set_filetype(h, it->type == 0 ? AE_IFREG : it->type);
		archive_entry_set_perm(h, it->mode == 0 ? 0644 : it->mode);
		archive_entry_set_mtime(h, 1000000000, 0);
		archive_entry_set_size(h, it->text != NULL ? (int64_t)strlen(it->text) : 0);
		if (it->target != NULL && it->type == 0)
			archive_entry_copy_hardlink(h, it->target);
		else if (it->target != NULL)
			archive_entry_copy_symlink(h, it->target);
		if (archive_write_header(a, h) < ARCHIVE_WARN)
			scratch_fail(archive_error_string(a));
		if (it->text != NULL)
			(void)archive_write_data(a, it->text, strlen(it->text));
		archive_entry_free(h);
	}
	(void)archive_write_free(a);
}

/* Unpack ${name} to a new "out" with a manifest "got". */
static int
take(const char *name, const struct unpack_limits *l, struct unpack_totals *totals, struct err *e)
{
	(void)scratch_run("rm -rf out");
	scratch_dir("out");
	int fd = open(name, O_RDONLY | O_CLOEXEC),
	    dir = open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int manifest = scratch_new("got");
	*e = (struct err){0};
	int status = unpack(&(struct tree){manifest, fd, NULL}, dir, l, totals, e);
	(void)close(fd);
	(void)close(dir);
	(void)close(manifest);
	return status;
}

/* True if ${name} is refused as an invalid workspace with ${word} in the message. */
static bool
refused(const char *name, const char *word)
{
	struct unpack_totals totals;
	struct err e;

	if (take(name, &limits, &totals, &e) == 0) {
		printf("# it was taken\n");
		return false;
	}
	if (e.code != ERR_WORKSPACE_INVALID || strstr(e.message, word) == NULL) {
		printf("# %s: %s\n", err_name(e.code), e.message);
		return false;
	}
	return true;
}

static void
test_paths(void)
{
	static const struct {
		struct item items[2];
		const char *word, *sentence;
	} hostile[] = {
	    {{{.path = "../x"}}, "../x", "a path with \"..\" in front"},
	    {{{.path = "a/../x"}}, "a/../x", "one with \"..\" inside"},
	    {{{.path = "a/.."}}, "a/..", "one with \"..\" at the end"},
	    {{{.path = "/etc/x"}}, "absolute", "an absolute path"},
	    {{{.path = "a//b"}}, "a//b", "an empty name"},
	    {{{.path = "a/./b"}}, "a/./b", "a name that is \".\""},
	    {{{.path = "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21"}},
	     "too deep",
	     "a path that is too deep"},
	    {{{.path = "a", .text = "1"}, {.path = "a", .text = "2"}},
	     "twice",
	     "a file that is there twice"},
	    {{{.path = "a", .text = "1"}, {.path = "a/b", .text = "2"}},
	     "a/b",
	     "a file below a file"},
	    {{{.path = "a/b", .text = "1"}, {.path = "a", .text = "2"}},
	     "twice",
	     "a file over a directory"},
	    {{{.path = "l", .type = AE_IFLNK, .target = "x"}, {.path = "l", .text = "2"}},
	     "twice",
	     "a file over a link"},
	    {{{.path = "l", .type = AE_IFLNK, .target = "d"}, {.path = "l/x", .text = "2"}},
	     "l/x",
	     "a file through a link"},
	    {{{.path = "l", .type = AE_IFLNK, .target = "d"}, {.path = "l", .type = AE_IFDIR}},
	     "l",
	     "a directory over a link"},
	    {{{.path = "l", .type = AE_IFLNK, .target = "/etc"}}, "leads out", "an absolute link"},
	    {{{.path = "l", .type = AE_IFLNK, .target = ".."}}, "leads out", "a link upwards"},
	    {{{.path = "a/l", .type = AE_IFLNK, .target = "../../x"}},
	     "leads out",
	     "a link too far up"},
	    {{{.path = "a/l", .type = AE_IFLNK, .target = "b/../../.."}},
	     "leads out",
	     "a link that goes down to come up elsewhere"},
	};
	char path[300];

	for (size_t i = 0; i < 2 * sizeof hostile / sizeof hostile[0]; i++) {
		size_t n = hostile[i / 2].items[1].path != NULL ? 2 : 1;
		make("bad", i % 2 == 0, hostile[i / 2].items, n);
		CHECK(refused("bad", hostile[i / 2].word), "%s is refused in a %s",
		      hostile[i / 2].sentence, i % 2 == 0 ? "ZIP" : "tar");
	}
	memset(path, 'n', 256);
	path[256] = '\0';
	make("bad", true, &(struct item){.path = path}, 1);
	CHECK(refused("bad", "255"), "a name of 256 bytes is refused");
	CHECK_INT(scratch_run("test ! -e ../x -a ! -e x"), 0, "nothing was written outside");
}

static void
test_types(void)
{
	static const struct {
		unsigned type;
		const char *sentence;
	} types[] = {{AE_IFIFO, "a FIFO is refused"},
		     {AE_IFCHR, "a device is refused"},
		     {AE_IFBLK, "a block device is refused"}};
	static const struct item hard[] = {{.path = "a", .text = "1"},
					   {.path = "b", .target = "a"}};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		make("bad", false, &(struct item){.path = "x", .type = types[i].type}, 1);
		CHECK(refused("bad", "neither"), "%s", types[i].sentence);
	}
	make("bad", false, hard, 2);
	CHECK(refused("bad", "hard link"), "a hard link is refused");
	if (scratch_run("command -v zip >/dev/null") == 0) {
		scratch_text("secret", "secret");
		(void)unlink("bad.zip");
		CHECK(scratch_run("zip -q -P pass bad.zip secret") == 0 &&
			  refused("bad.zip", "encrypted"),
		      "an encrypted entry is refused");
	}
}

static void
test_modes(void)
{
	static const struct item items[] = {{.path = "d", .type = AE_IFDIR, .mode = 01777},
					    {.path = "d/suid", .text = "1", .mode = 06755},
					    {.path = "d/odd", .text = "1", .mode = 0640}};
	struct unpack_totals totals;
	struct stat st;
	struct err e;

	make("modes", false, items, 3);
	CHECK_INT(take("modes", &limits, &totals, &e), 0, "an archive with odd modes is taken");
	CHECK(stat("out/d", &st) == 0 && (st.st_mode & 07777) == 0777, "without a sticky bit");
	CHECK(stat("out/d/suid", &st) == 0 && (st.st_mode & 07777) == 0755, "and without setuid");
	CHECK(st.st_uid == geteuid(), "as our own");
	CHECK(stat("out/d/odd", &st) == 0 && (st.st_mode & 07777) == 0640, "other modes are kept");
	if (scratch_run("command -v zip >/dev/null") != 0)
		return;
	scratch_text("f/plain", "1");
	(void)scratch_run("chmod 600 f/plain; rm -f fat.zip; zip -qrk fat.zip f");
	CHECK_INT(take("fat.zip", &limits, &totals, &e), 0, "a ZIP from DOS is taken");
	CHECK_INT(scratch_run("test -r out/F/PLAIN -a -x out/F"), 0, "with modes that can be used");
	(void)scratch_run("LC_ALL=C sed -i 's,F/PLAIN,F\\\\PLAIN,g; s,F/,F\\\\,g' fat.zip");
	CHECK(scratch_run("LC_ALL=C grep -aq 'F[\\]PLAIN' fat.zip") == 0 &&
		  take("fat.zip", &limits, &totals, &e) == 0 &&
		  scratch_run("test -r out/F/PLAIN -a -d out/F") == 0,
	      "also if its names have backslashes in them");
}

/* More than wait in memory for their modes. */
static void
test_many_directories(void)
{
	char path[64];
	struct stat st;
	struct err e;
	struct extract p;
	int placed = 0, right = 0;

	scratch_dir("many");
	int fd = file_open_dir(AT_FDCWD, "many", &e);
	if (extract_open(&p, fd, 0, &e) < 0)
		scratch_fail("many");
	for (int i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof path, "%030d", i);
		const struct entry entry = {
		    .path = path, .type = 'd', .mode = 0750, .mtime = INT64_C(1000000000)};
		placed += extract_directory(&p, &entry, &e) == 0;
	}
	CHECK_INT(placed, 300, "300 directories are created");
	CHECK_INT(extract_finish(&p, &e), 0, "and get their modes and times");
	extract_close(&p);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof path, "%030d", i);
		right += fstatat(fd, path, &st, 0) == 0 && (st.st_mode & 07777) == 0750 &&
			 st.st_mtim.tv_sec == 1;
	}
	CHECK_INT(right, 300, "every one of them");
	file_close(fd);
	(void)scratch_run("rm -rf many");
}

static void
test_limits(void)
{
	static const struct item many[] = {{.path = "1", .text = "12345"},
					   {.path = "2", .text = "12345"},
					   {.path = "3", .text = "12345"}};
	struct unpack_limits l = limits;
	struct unpack_totals totals;
	struct err e;

	make("many", true, many, 3);
	l.entries = 3;
	l.bytes = 15;
	CHECK_INT(take("many", &l, &totals, &e), 0, "what is within the limits is taken");
	l.entries = 2;
	CHECK(take("many", &l, &totals, &e) < 0 && e.code == ERR_WORKSPACE_TOO_LARGE,
	      "too many entries are refused");
	l.entries = 3;
	l.bytes = 14;
	CHECK(take("many", &l, &totals, &e) < 0 && e.code == ERR_WORKSPACE_TOO_LARGE,
	      "too many bytes are refused");
	/* a bomb: 2 MiB of zeros in a few bytes, over the limit of 1 MiB */
	(void)scratch_run("rm -rf z; mkdir z; truncate -s 2M z/z; bsdtar -czf bomb z");
	CHECK(take("bomb", &limits, &totals, &e) < 0 && e.code == ERR_WORKSPACE_TOO_LARGE,
	      "bytes count as they come out of the compression");
	struct stat st;
	CHECK(stat("out/z/z", &st) < 0 || st.st_size <= 1 << 20, "and no more are written");
}

static void
test_directory(void)
{
	static const struct item many[] = {
	    {.path = "1", .text = "1"}, {.path = "2", .text = "2"}, {.path = "3", .text = "3"}};
	static const unsigned char end[22] = {'P', 'K', 5, 6};
	struct unpack_limits l = limits;
	struct unpack_totals totals;
	struct stat st;
	struct err e;

	l.entries = 2;
	make("many", true, many, 3);
	if (stat("many", &st) < 0)
		scratch_fail("many");
	scratch_patch("many", "\1\0\1\0", 4, st.st_size - 14);
	CHECK(take("many", &l, &totals, &e) < 0 && e.code == ERR_WORKSPACE_TOO_LARGE,
	      "entries of a ZIP are counted where they are, not where they are announced");
	make("many", true, many, 3);
	scratch_patch("many", "\x16\0", 2, st.st_size - 2);
	scratch_patch("many", end, sizeof end, st.st_size);
	CHECK(take("many", &limits, &totals, &e) < 0,
	      "an end record in another's comment is refused");
}

static void
test_tops(void)
{
	static const char *const tops[] = {"ws", NULL};
	static const struct item good[] = {{.path = "ws", .type = AE_IFDIR},
					   {.path = "ws/x", .text = "1"}};
	struct unpack_limits l = limits;
	struct unpack_totals totals;
	struct err e;

	l.tops = tops;
	make("tops", true, good, 2);
	CHECK_INT(take("tops", &l, &totals, &e), 0, "a resource that was asked for is taken");
	make("tops", true, &(struct item){.path = "wsx/a"}, 1);
	CHECK(take("tops", &l, &totals, &e) < 0, "another is refused");
	make("tops", true, &(struct item){.path = "ws", .text = "1"}, 1);
	CHECK(take("tops", &l, &totals, &e) < 0, "so is one that is a file");
	make("tops", true, &(struct item){.path = "ws/l", .type = AE_IFLNK, .target = "../other"},
	     1);
	CHECK(take("tops", &l, &totals, &e) < 0, "a link may not lead from one to the next");
}

/* Cut the archive everywhere: nothing but the whole is taken. */
static void
test_truncated(void)
{
	static const struct item items[] = {{.path = "a", .text = "1234567890"},
					    {.path = "b", .text = "1234567890"}};
	struct unpack_totals totals;
	struct stat st;
	struct err e;
	bool all = true;

	make("cut", true, items, 2);
	CHECK_INT(take("cut", &limits, &totals, &e), 0, "a whole ZIP is taken");
	if (stat("cut", &st) < 0)
		scratch_fail("cut");
	for (off_t n = st.st_size - 1; n >= 0; n--) {
		scratch_cut("cut", n);
		all = take("cut", &limits, &totals, &e) < 0 && all;
	}
	CHECK(all, "a ZIP that ends early is refused, wherever it ends");
	all = true;
	make("cut", false, items, 2);
	for (off_t n = 2560; n >= 0; n -= 256) { /* two entries of 1,024 bytes, then zeros */
		scratch_cut("cut", n);
		bool taken = take("cut", &limits, &totals, &e) == 0;
		all = all && taken == (n == 2560);
	}
	CHECK(all, "so is a tar, also when it ends between two entries");
	scratch_text("cut", "this is no archive, this is a text that is longer than a few bytes");
	CHECK(refused("cut", "not an archive"), "a text is refused");
	make("cut", true, items, 2);
	(void)scratch_run("LC_ALL=C sed -i s/1234567890/1234567899/ cut");
	CHECK(refused("cut", "CRC"), "content that does not fit its checksum is refused");
}

static void
test_forms(void)
{
	static const char *const commands[] = {"bsdtar -cf form -C tree .",
					       "bsdtar -czf form -C tree .",
					       "bsdtar -cJf form -C tree .",
					       "bsdtar -c --zstd -f form -C tree .",
					       "bsdtar -c --format gnutar -f form -C tree .",
					       "bsdtar -c --format ustar -f form -C tree .",
					       "bsdtar -c --format zip -f form -C tree .",
					       "tar -cf form -C tree .",
					       "tar -cSf form -C tree ."};
	static const unsigned char nothing[] = {'P', 'K', 5, 6, 0, 0, 0, 0, 0, 0, 0,
						0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0};
	char zeros[1024] = {0};
	struct unpack_totals totals;
	struct err e;

	scratch_text("tree/a/b", "1");
	scratch_text("tree/\xc3\xbc", "2");
	scratch_link("tree/l", "a/b");
	(void)scratch_run(
	    "truncate -s 300000 tree/hole; printf x >>tree/hole; truncate -s 600000 tree/hole");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (!CHECK(scratch_run(commands[i]) == 0, "%s", commands[i]))
			continue;
		CHECK(take("form", &limits, &totals, &e) == 0 && totals.files == 3 &&
			  scratch_run("diff -r --no-dereference tree out") == 0,
		      "is unpacked as it was");
		CHECK(scratch_run("printf '%s' \"$(sha256sum <tree/hole)\" | cut -d' ' -f1 >want;"
				  "grep -q \"$(cat want) hole$\" got") == 0,
		      "with the right hash, holes or not");
	}
	scratch_file("form", nothing, sizeof nothing);
	CHECK_INT(take("form", &limits, &totals, &e), 0, "a ZIP of nothing is taken");
	scratch_file("form", zeros, sizeof zeros);
	CHECK_INT(take("form", &limits, &totals, &e), 0, "so is a tar of nothing");
	scratch_file("form", zeros, 0);
	CHECK(refused("form", ""), "an empty file is not");
}

/* A ZIP is read by its directory: nothing in the content is taken for an end of it. */
static void
test_zips(void)
{
	static const char *const commands[] = {
	    "bsdtar -c --format zip --options zip:compression=store -f form -C tree .",
	    "bsdtar -c --format zip -f form -C tree .",
	    "rm -f form.zip; cd tree && zip -qry ../form.zip . && mv ../form.zip ../form",
	    "rm -f form.zip; cd tree && zip -qry - . >../form",
	};
	struct unpack_totals totals;
	struct err e;

	(void)scratch_run(
	    "rm -rf tree; mkdir tree; printf 'PK\\7\\10%0100d' 0 | tr 0 '\\0' >tree/a;"
	    "echo 1 >1; bsdtar -c --format zip -f tree/zip 1; cp tree/zip tree/again;"
	    "ln -s \"$(printf 'x/%0500d' 0)\" tree/link; : >tree/empty");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		CHECK(scratch_run(commands[i]) == 0 && take("form", &limits, &totals, &e) == 0 &&
			  scratch_run("diff -r --no-dereference tree out") == 0,
		      "%s", commands[i]);
	(void)scratch_run("rm -f form; cd tree && seq 1000 >n && zip -q -Z bzip2 ../form.zip n && "
			  "mv ../form.zip ../form");
	CHECK(refused("form", "neither stored nor deflated"),
	      "another compression, which may need any memory, is refused");
}

static void
test_choice(void)
{
	static const struct item items[] = {{.path = "d", .type = AE_IFDIR},
					    {.path = "d/a", .text = "1"},
					    {.path = "d/b", .text = "2"},
					    {.path = "e", .type = AE_IFDIR}};
	struct unpack_totals totals;
	struct err e;
	struct pathset paths = {0};

	make("choice", true, items, 4);
	(void)scratch_run("rm -rf out; mkdir out");
	int fd = open("choice", O_RDONLY | O_CLOEXEC), dir = open("out", O_RDONLY | O_CLOEXEC);
	CHECK_INT(pathset_add(&paths, "d/b", &e), 0, "a path is named");
	CHECK_INT(unpack_paths(fd, dir, &paths, &e), 0, "paths may be chosen");
	pathset_free(&paths);
	CHECK_INT(
	    scratch_run("test \"$(cd out && find . | sort | tr '\\n' ' ')\" = '. ./d ./d/b '"), 0,
	    "only those, and what is above them, are made");
	int manifest = scratch_new("got");
	CHECK_INT(unpack(&(struct tree){manifest, fd, NULL}, -1, &limits, &totals, &e), 0,
		  "one may only look");
	CHECK_INT(totals.files, 2, "then all is counted");
	CHECK_INT(scratch_run("grep -c . got | grep -qx 6"), 0, "and listed");
	(void)close(manifest);
	(void)close(dir);
	(void)close(fd);
}

int
main(void)
{
	scratch_open();
	scratch_dir("here"); /* so that ".." is ours, too */
	if (chdir("here") < 0)
		scratch_fail("here");
	(void)umask(022);
	test_paths();
	test_types();
	test_modes();
	test_many_directories();
	test_limits();
	test_directory();
	test_tops();
	test_truncated();
	test_forms();
	test_zips();
	test_choice();
	return check_end();
}
