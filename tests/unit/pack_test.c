/* pack: what is packed comes out of unpack again, and what changes meanwhile is noticed. */
#include <sys/time.h>

#include "check.h"
#include "tree/manifest.h"
#include "archive/pack.h"
#include "scratch.h"
#include "archive/unpack.h"

static struct unpack_limits limits = {.entries = 10000, .bytes = 1 << 30, .depth = 1000};

/* A tree with everything in it that an archive can get wrong. */
static void
make_tree(void)
{
	char noise[40000];
	unsigned long long state = 1;

	for (size_t i = 0; i < sizeof noise; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		noise[i] = (char)(state >> 56);
	}
	scratch_file("src/noise", noise, sizeof noise);
	memset(noise, 'x', sizeof noise);
	scratch_file("src/sub/text", noise, sizeof noise);
	scratch_text("src/empty file", "");
	scratch_text("src/back\\slash", "1");
	scratch_text("src/new\nline", "2");
	scratch_text("src/\xc3\xbcn\xc3\xaf", "3");
	scratch_text("src/u\xcc\x88", "4"); /* decomposed: must not be composed */
	scratch_text("src/not\xff utf8", "5");
	scratch_text("src/._mac", "6");
	scratch_text("src/__MACOSX/._x", "7");
	scratch_dir("src/sub/empty");
	scratch_link("src/sub/up", "../noise");
	scratch_link("src/dir", "sub");
	scratch_link("src/odd", "not\xff utf8");
	(void)chmod("src/noise", 0751);
	(void)chmod("src/sub/text", 0400);
	(void)chmod("src/sub/empty", 0555);
	(void)chmod("src", 0750);
}

static int
pack_to(const char *name, const struct pack_options *o, struct resource *r,
	struct pack_totals *totals, struct err *e)
{
	int fd = scratch_new(name), manifest = scratch_new("sent");
	int status = pack(r, 1, o, &(struct tree){manifest, fd, NULL}, totals, e);

	(void)close(fd);
	(void)close(manifest);
	return status;
}

static int
unpack_to(const char *name, const char *to, struct unpack_totals *totals, struct err *e)
{
	char old[64];

	(void)snprintf(old, sizeof old, "chmod -R u+w %s 2>/dev/null; rm -rf %s", to, to);
	(void)scratch_run(old);
	scratch_dir(to);
	int fd = open(name, O_RDONLY | O_CLOEXEC),
	    dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int manifest = scratch_new("got");
	int status = unpack(&(struct tree){manifest, fd, NULL}, dir, &limits, totals, e);
	(void)close(fd);
	(void)close(dir);
	(void)close(manifest);
	return status;
}

/* True if the two manifests agree in everything that an archive carries; ${times}: to the
 * nanosecond. */
static bool
same_manifests(bool times)
{
	char command[256];

	(void)snprintf(
	    command, sizeof command,
	    "cut -d' ' -f%s sent >sent.cut; cut -d' ' -f%s got >got.cut; diff sent.cut got.cut",
	    times ? "1-4,7-" : "1-3,7-", times ? "1-4,7-" : "1-3,7-");
	return scratch_run(command) == 0;
}

static void
test_round_trip(void)
{
	static const struct {
		const char *name;
		struct pack_options o;
		bool exact; /* times to the nanosecond */
	} forms[] = {
	    {"ZIP, stored", {.format = PACK_ZIP, .fidelity = true}, false},
	    {"ZIP, deflated", {.format = PACK_ZIP, .fidelity = true, .compress = true}, false},
	    {"tar", {.format = PACK_TAR, .fidelity = true}, true},
	    {"tar.zst", {.format = PACK_TAR_ZST, .fidelity = true}, true},
	};
	static const char *const names[] = {"ws", ""};
	struct resource r = {.source = (char[]){"src"}};
	struct unpack_totals out;
	struct pack_totals in;
	struct err e;

	for (size_t i = 0; i < 2 * sizeof forms / sizeof forms[0]; i++) {
		const char *form = forms[i / 2].name;
		char name[8];
		r.name = strcpy(name, names[i % 2]);
		e.message[0] = '\0';
		if (!CHECK(pack_to("archive", &forms[i / 2].o, &r, &in, &e) == 0,
			   "%s: \"%s\" is packed", form, name) ||
		    !CHECK(unpack_to("archive", "out", &out, &e) == 0, "%s: and unpacked", form)) {
			printf("# %s\n", e.message);
			continue;
		}
		CHECK_INT(in.files, 10, "all files are counted by the packer");
		CHECK_INT(out.files, 10, "and by the unpacker");
		CHECK(in.bytes == out.bytes && in.bytes == 80007, "%s: and their bytes", form);
		CHECK_INT(out.compressed, i >= 2 && i != 4 && i != 5,
			  "it is known if it is compressed");
		CHECK(same_manifests(forms[i / 2].exact), "%s: both list the same, hash for hash",
		      form);
		CHECK(scratch_run(i % 2 == 0 ? "diff -r --no-dereference src out/ws"
					     : "diff -r --no-dereference src out") == 0,
		      "%s: the trees are the same", form);
	}
}

static void
test_modes_and_times(void)
{
	struct pack_options o = {.format = PACK_TAR, .fidelity = true};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"src"}};
	struct timespec times[2] = {{.tv_sec = 1, .tv_nsec = 2},
				    {.tv_sec = 1000000000, .tv_nsec = 7}};
	struct unpack_totals out;
	struct pack_totals in;
	struct stat st;
	struct err e;

	(void)utimensat(AT_FDCWD, "src/sub", times, 0);
	(void)utimensat(AT_FDCWD, "src/noise", times, 0);
	(void)chmod("src/noise", 06751);
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), 0, "a tree with times is packed");
	CHECK_INT(unpack_to("archive", "out", &out, &e), 0, "and unpacked");
	CHECK(stat("out/ws/sub", &st) == 0 && st.st_mtim.tv_sec == 1000000000 &&
		  st.st_mtim.tv_nsec == 7,
	      "a directory keeps its time, although files were made in it");
	CHECK(stat("out/ws/noise", &st) == 0 && st.st_mtim.tv_nsec == 7, "a file keeps its time");
	CHECK_INT(st.st_mode & 07777, 0751, "and its mode, without setuid and setgid");
	CHECK(stat("out/ws/sub/empty", &st) == 0 && (st.st_mode & 07777) == 0555,
	      "a directory keeps its mode");
	CHECK(stat("out/ws", &st) == 0 && (st.st_mode & 07777) == 0750, "so does the topmost");
	(void)chmod("src/noise", 0751);
	times[1].tv_sec = 4102444800;
	(void)utimensat(AT_FDCWD, "src/noise", times, 0);
	(void)pack_to("archive", &o, &r, &in, &e);
	CHECK_INT(unpack_to("archive", "out", &out, &e), 0,
		  "a time that is yet to come is no error");
	CHECK(stat("out/ws/noise", &st) == 0 && st.st_mtim.tv_sec == 4102444800,
	      "and is kept: no two clocks agree");
}

/* The readers that peers use. */
static void
test_other_readers(void)
{
	static const char *const readers[] = {
	    "rm -rf o && mkdir o && cd o && bsdtar -xf ../archive",
	    "rm -rf o && mkdir o && cd o && unzip -q ../archive",
	    "rm -rf o && python3 -c 'import zipfile; z = zipfile.ZipFile(\"archive\");"
	    "assert z.testzip() is None; z.extractall(\"o\")'",
	};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"plain"}};
	struct pack_totals totals;
	struct err e;
	char tool[64], command[128];

	scratch_text("plain/a/b",
		     "text that is there, text that is there, text that is there, text that "
		     "is there, text that is there, text that is there, text that is there");
	scratch_text("plain/\xc3\xbcn\xc3\xaf", "3");
	scratch_dir("plain/empty");
	for (int compress = 0; compress < 2; compress++) {
		struct pack_options o = {.format = PACK_ZIP, .compress = compress != 0};
		CHECK_INT(pack_to("archive", &o, &r, &totals, &e), 0, "a ZIP is packed");
		for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
			static const char *const names[] = {"bsdtar", "unzip", "python3"};
			(void)snprintf(tool, sizeof tool, "command -v %s >/dev/null", names[i]);
			if (scratch_run(tool) != 0)
				continue;
			(void)snprintf(command, sizeof command, "diff -r plain o/ws");
			CHECK(scratch_run(readers[i]) == 0 && scratch_run(command) == 0,
			      "%s reads it", names[i]);
		}
	}
}

/* Of every header with the ${magic} and the lengths at ${at}, is bit 11 of the flags set where the
 * name is not plain ASCII, and nowhere else? */
static bool
flags_fit(const char *p, size_t n, const char *magic, size_t flags, size_t at, size_t head)
{
	size_t found = 0;

	for (size_t i = 0; i + head < n; i++) {
		if (memcmp(p + i, magic, 4) != 0)
			continue;
		size_t length = (unsigned char)p[i + at];
		bool plain = true, utf8 = true;
		for (size_t j = i + head; j < i + head + length; j++) {
			plain = plain && p[j] >= 0x20 && p[j] < 0x7f;
			utf8 = utf8 && p[j] != '\xff';
		}
		found++;
		if (((p[i + flags + 1] & 8) != 0) != (!plain && utf8))
			return false;
	}
	return found > 12;
}

static void
test_flags(void)
{
	struct pack_options o = {.format = PACK_ZIP, .fidelity = true, .compress = true};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"src"}};
	struct pack_totals totals;
	static char bytes[1 << 18];
	struct err e;

	scratch_text("src/tab\tand\177", "x");
	CHECK_INT(pack_to("archive", &o, &r, &totals, &e), 0, "a ZIP of odd names is packed");
	int fd = open("archive", O_RDONLY | O_CLOEXEC);
	ssize_t n = file_read(fd, bytes, sizeof bytes, &e);
	(void)close(fd);
	CHECK(flags_fit(bytes, (size_t)n, "PK\3\4", 6, 26, 30),
	      "a name that is not plain ASCII is said to be UTF-8 before its file");
	CHECK(flags_fit(bytes, (size_t)n, "PK\1\2", 8, 28, 46), "and in the directory");
	(void)unlink("src/tab\tand\177");
}

/* A file that nobody may read is one all the same. */
static void
test_no_mode(void)
{
	static const enum pack_format formats[] = {PACK_ZIP, PACK_TAR, PACK_TAR_ZST};
	struct entry entry = {.path = (char[]){"ws/f"}, .type = 'f', .size = 1};
	struct unpack_totals out;
	uint64_t bytes;
	struct err e;

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		int fd = scratch_new("archive");
		struct writer *a = writer_new(fd, formats[i], &e);
		CHECK(writer_begin(a, &entry, NULL, 0, &e) == 0 &&
			  writer_data(a, "ws/f", "x", 1, &e) == 0 &&
			  writer_finish(a, &bytes, &e) == 0,
		      "a file without any bit of a mode is written");
		writer_free(a);
		(void)close(fd);
		CHECK_INT(unpack_to("archive", "out", &out, &e), 0, "and unpacked");
		CHECK_INT(scratch_run("grep -q '^f 0 1 .* ws/f$' got"), 0, "and has none then");
	}
}

static void
test_size(void)
{
	struct pack_options o = {.format = PACK_ZIP};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"plain"}};
	struct pack_totals totals;
	char piece[65536];
	struct err e;

	CHECK_INT(pack_to("archive", &o, &r, &totals, &e), 0, "an archive is packed");
	int fd = open("archive", O_RDONLY | O_CLOEXEC);
	ssize_t n = file_read(fd, piece, sizeof piece, &e);
	CHECK_INT(totals.archive_bytes, n, "its size is what is told");
	(void)close(fd);
}

static void
test_links_without_fidelity(void)
{
	struct pack_options o = {.format = PACK_ZIP};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"links"}};
	struct unpack_totals out;
	struct pack_totals in;
	struct stat st;
	struct err e;

	r.filter = filter_new(&e);
	(void)filter_exclude(r.filter, "hidden", &e);
	scratch_text("links/real/x", "real");
	scratch_text("links/hidden", "hidden");
	scratch_link("links/file", "real/x");
	scratch_link("links/dir", "real");
	scratch_link("links/to hidden", "hidden");
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), 0, "a tree with links is packed for others");
	CHECK_INT(unpack_to("archive", "out", &out, &e), 0, "and unpacked");
	CHECK(lstat("out/ws/file", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 4,
	      "a link to a file is sent as the file");
	CHECK(lstat("out/ws/dir", &st) < 0, "one to a directory is left out");
	CHECK(lstat("out/ws/to hidden", &st) < 0, "so is one to what is excluded");
	CHECK_INT(scratch_run("grep -q '^l! .*ws/dir\treal$' sent"), 0,
		  "the manifest knows that it was not sent");
	CHECK_INT(scratch_run("grep -q '^l 777 6 .* [0-9a-f]\\{64\\} ws/file\treal/x$' sent"), 0,
		  "and of a file that was, that it is a link, and the hash");
	scratch_text("outside", "");
	scratch_link("links/out", "../outside");
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), -1, "a link that leads out is refused");
	CHECK_INT(e.code, ERR_WORKSPACE_INVALID, "as an invalid workspace");
	CHECK(strstr(e.message, "ws/out") != NULL, "and named");
	o.fidelity = true;
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), -1, "also where links are kept");
	(void)unlink("links/out");
	scratch_link("links/out", "nowhere");
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), 0,
		  "where they are kept one may lead to nothing");
	o.fidelity = false;
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), -1, "where not, it may not");
	(void)unlink("links/out");
	scratch_text("links/back\\slash", "");
	CHECK_INT(pack_to("archive", &o, &r, &in, &e), -1, "nor may a name have a backslash");
	CHECK(strstr(e.message, "links/back\\slash") != NULL ||
		  strstr(e.message, "ws/back\\slash") != NULL,
	      "which is named");
	filter_free(r.filter);
}

/* Make the file grow, or shrink, while it is read: progress is told between two pieces. */
static void
disturb(void *arg, uint64_t bytes, uint64_t files)
{
	(void)bytes;
	(void)files;
	scratch_cut("busy/file", *(const off_t *)arg);
}

static void
test_busy(void)
{
	static off_t sizes[] = {1 << 20, 3 << 20};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"busy"}};
	struct pack_totals totals;
	struct err e;

	for (int i = 0; i < 2; i++) {
		struct pack_options o = {
		    .format = PACK_ZIP, .progress = disturb, .progress_arg = &sizes[i]};
		scratch_text("busy/file", "");
		scratch_cut("busy/file", 2 << 20);
		CHECK_INT(pack_to("archive", &o, &r, &totals, &e), -1,
			  i == 0 ? "a file that shrinks while it is read is an error"
				 : "so is one that grows");
		CHECK_INT(e.code, ERR_BUSY, "of the kind that may be tried again");
		CHECK(strstr(e.message, "ws/file") != NULL, "with its name");
	}
}

static void
test_full_disk(void)
{
	struct pack_options o = {.format = PACK_ZIP, .fidelity = true};
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"src"}};
	struct pack_totals totals;
	struct err e;

	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK_INT(pack(&r, 1, &o, &(struct tree){-1, fd, NULL}, &totals, &e), -1,
		  "a full disk is an error");
	CHECK_INT(e.code, ERR_NO_SPACE, "of its own kind");
	(void)close(fd);
}

/* A reader's limit against bombs is not for what we send. */
static void
test_dense(void)
{
	struct resource r = {.name = "ws", .source = "dense"};
	struct pack_options o = {.format = PACK_TAR_ZST, .fidelity = true};
	const size_t piece = 1 << 20, pieces = 257;
	struct unpack_totals out;
	struct pack_totals totals;
	struct err e = {0};

	scratch_text("dense/file", "");
	char *same = malloc(piece);
	int fd = open("dense/file", O_WRONLY | O_CLOEXEC);
	memset(same, 'x', piece);
	for (size_t i = 0; i < pieces; i++)
		if (write(fd, same, piece) != (ssize_t)piece)
			scratch_fail("dense/file");
	(void)close(fd);
	free(same);
	CHECK_INT(pack_to("dense.tar", &o, &r, &totals, &e), 0,
		  "what compresses very well is packed");
	CHECK_INT(totals.bytes, piece * pieces, "its bytes are counted once");
	CHECK_INT(totals.files, 1, "and its files");
	limits.ratio = 1000;
	CHECK_INT(unpack_to("dense.tar", "out", &out, &e), 0, "and is unpacked within the limits");
	limits.ratio = 0;
	CHECK(same_manifests(true), "it is what was sent, by the one manifest there is");
}

int
main(void)
{
	scratch_open();
	(void)umask(077); /* modes must come from the archive alone */
	make_tree();
	test_round_trip();
	test_modes_and_times();
	test_other_readers();
	test_flags();
	test_no_mode();
	test_size();
	test_links_without_fidelity();
	test_busy();
	test_dense();
	test_full_disk();
	return check_end();
}
