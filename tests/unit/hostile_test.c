/*
 * unpack: archives made to do harm are refused, with the entry named, whether they are unpacked or
 * only looked at; none takes much memory.
 *
 *	hostile_test write DIR [PREFIX]	writes them there, with an index: file, word, what it is
 *	hostile_test large DIR		writes those that are not malformed but too much,
 *	hostile_test many DIR		and those that have too many entries
 *	hostile_test peak KB command	runs the command; exit 99 if it had more memory resident
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"
#include "hostile.h"
#include "scratch.h"
#include "archive/source.h"
#include "archive/unpack.h"

static FILE *made;
const char *hostile_prefix = "";

void
make_bytes(const void *p, size_t n)
{
	if (n > 0 && fwrite(p, 1, n, made) != n)
		scratch_fail("cannot write");
}

uint64_t
make_at(void)
{
	return (uint64_t)ftello(made);
}

static void
make_open(const char *file)
{
	if ((made = fopen(file, "we")) == NULL)
		scratch_fail(file);
}

static void
make_close(void)
{
	if (fclose(made) != 0)
		scratch_fail("cannot write");
}

void
hostile_make(const struct hostile *h)
{
	make_open(h->file);
	h->write();
	if (!h->unended && strstr(h->file, ".tar") != NULL)
		tar_end();
	make_close();
}

/* Unpack ${file} to "out", or only look at it; as unpack(). */
static int
take(const char *file, bool look, struct err *e)
{
	struct unpack_limits limits = {.entries = 1000, .bytes = 1 << 20, .depth = 2048};
	struct unpack_totals totals;

	(void)file_remove_tree(AT_FDCWD, "out", NULL);
	scratch_dir("out");
	int fd = open(file, O_RDONLY | O_CLOEXEC), manifest = scratch_new("got");
	int dir = look ? -1 : open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*e = (struct err){0};
	int status = unpack(&(struct tree){manifest, fd, NULL}, dir, &limits, &totals, e);
	file_close(dir);
	(void)close(manifest);
	(void)close(fd);
	return status;
}

static bool
refused(const char *file, const char *word, bool look)
{
	struct err e;
	bool good = take(file, look, &e) < 0 &&
		    (e.code == ERR_WORKSPACE_INVALID || e.code == ERR_WORKSPACE_TOO_LARGE) &&
		    strstr(e.message, word) != NULL && strchr(e.message, '\n') == NULL;

	if (!good)
		printf("# %s: %s %s\n", file, err_name(e.code), e.message);
	return good;
}

static void
test_archives(const struct hostile *h)
{
	for (; h->file != NULL; h++) {
		hostile_make(h);
		CHECK(refused(h->file, h->word, false), "%s is refused: %s", h->file, h->what);
		CHECK(refused(h->file, h->word, true), "also when it is only looked at");
	}
}

/* What does no harm, as there is one reader: it appears beneath the directory, and nothing else. */
static void
test_taken(const struct hostile *h)
{
	char command[200];
	struct err e;

	for (; h->file != NULL; h++) {
		hostile_make(h);
		CHECK_INT(take(h->file, true, &e), 0, h->file);
		CHECK_INT(take(h->file, false, &e), 0, h->what);
		(void)snprintf(command, sizeof command,
			       "test \"$(find out | sort | tr '\\n' ' ')\" = 'out out/%s '",
			       h->word);
		CHECK_INT(scratch_run(command), 0, "unpacks to what it lists");
	}
}

/* The same tars, compressed: the first bytes of what is inside are not seen in the file. */
static void
test_compressed(void)
{
	static const char *const commands[] = {"gzip", "zstd -q", "xz -T1 -6"};
	char command[200];

	for (size_t c = 0; c < 3; c++) {
		bool all = true;
		for (const struct hostile *h = hostile_tars; h->file != NULL; h++) {
			hostile_make(h);
			(void)snprintf(command, sizeof command, "%s -c <%s >packed", commands[c],
				       h->file);
			if (scratch_run(command) != 0)
				scratch_fail(command);
			all = refused("packed", h->word, false) && all;
		}
		CHECK(all, "all tars are refused when %s has compressed them", commands[c]);
	}
	CHECK_INT(scratch_run("test ! -e ../bad -a ! -e ../x -a ! -e /etc/bad"), 0,
		  "nothing was written outside");
}

/* An archive of two files that are as one would have them. */
static void
make_good(const char *name, const char *command)
{
	if (strcmp(name, "good.zip") == 0) {
		make_open(name);
		zip_items((struct zip_item[]){{.name = "a", .content = "123"},
					      {.name = "b", .content = "4567"}},
			  2);
	} else {
		make_open("good.tar");
		for (int i = 0; i < 2; i++) {
			tar_header(&(struct tar_item){.name = i == 0 ? "a" : "b", .size = 3});
			tar_body("123", 3);
		}
		tar_end();
	}
	make_close();
	if (command[0] != '\0' && scratch_run(command) != 0)
		scratch_fail(command);
}

static void
test_cut(void)
{
	static const struct {
		const char *name, *command;
		off_t enough; /* what of it may be missing: a second block of zeros */
	} forms[] = {
	    {"good.zip", "", 0},
	    {"good.tar", "", 512},
	    {"good.tar.gz", "gzip -nc good.tar >good.tar.gz", 0},
	    {"good.tar.zst", "zstd -qc good.tar >good.tar.zst", 0},
	    {"good.tar.xz", "xz -c good.tar >good.tar.xz", 0},
	};
	struct stat st;
	struct err e;

	for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
		bool all = true;
		make_good(forms[f].name, forms[f].command);
		CHECK_INT(take(forms[f].name, false, &e), 0, forms[f].name);
		if (stat(forms[f].name, &st) < 0)
			scratch_fail(forms[f].name);
		scratch_patch(forms[f].name, "garbage", 7, st.st_size);
		CHECK(take(forms[f].name, false, &e) < 0, "is refused with garbage behind it");
		scratch_cut(forms[f].name, st.st_size);
		for (off_t n = st.st_size - 1; n >= 0; n -= check_quick() ? 7 : 1) {
			scratch_cut(forms[f].name, n);
			bool taken = take(forms[f].name, n % 2 == 0, &e) == 0;
			bool may = n >= st.st_size - forms[f].enough;
			if (taken && !may)
				printf("# taken with %lld bytes\n", (long long)n);
			all = all && (!taken || may);
		}
		CHECK(all, "and when it is cut off, wherever that is");
	}
}

/* Odd, but a tree can be so. */
static void
test_odd(void)
{
	struct stat st;
	struct err e;

	make_open("odd.tar");
	tar_header(&(struct tar_item){.name = "new\nline"});
	tar_header(&(struct tar_item){.name = "\1\33[31m\177"});
	tar_header(&(struct tar_item){.name = "\xff\xfe"});
	tar_header(&(struct tar_item){.name = "Case"});
	tar_header(&(struct tar_item){.name = "case", .mode = 06755});
	tar_header(&(struct tar_item){.name = "d/", .type = '5', .mode = 01777});
	tar_header(&(struct tar_item){.name = "d/", .type = '5', .mode = 0755});
	tar_end();
	make_close();
	CHECK_INT(take("odd.tar", false, &e), 0, "odd names are taken from a tar");
	CHECK(lstat("out/new\nline", &st) == 0 && lstat("out/\1\33[31m\177", &st) == 0 &&
		  lstat("out/\xff\xfe", &st) == 0 && lstat("out/Case", &st) == 0,
	      "byte by byte");
	CHECK(lstat("out/case", &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == geteuid(),
	      "setuid and owners are not");
	make_open("odd.zip");
	zip_items((struct zip_item[]){{.name = "new\nline"},
				      {.name = "\1\33[31m\177"},
				      {.name = "\xff\xfe"},
				      {.name = "Case"},
				      {.name = "case", .mode = 0106755}},
		  5);
	make_close();
	CHECK_INT(take("odd.zip", false, &e), 0, "odd names are taken from a ZIP");
	CHECK(lstat("out/new\nline", &st) == 0 && lstat("out/\1\33[31m\177", &st) == 0 &&
		  lstat("out/\xff\xfe", &st) == 0 && lstat("out/Case", &st) == 0,
	      "byte by byte");
	CHECK(lstat("out/case", &st) == 0 && (st.st_mode & 07777) == 0755, "setuid is not");
}

/* What wants much memory to be decompressed. */
static void
test_windows(void)
{
	if (SANITIZED)
		return;
	(void)scratch_run(
	    "truncate -s 20M zeros; tar -cf zeros.tar zeros;"
	    "cat zeros.tar | zstd -q --ultra -22 -c >wide.zst; xz -9 -c zeros.tar >wide.xz");
	CHECK(refused("wide.zst", "memory", false), "a zstd of 128 MiB of memory is refused");
	CHECK(refused("wide.xz", "memory", false), "so is an xz of 64 MiB");
}

static void
write_all(const struct hostile *h, FILE *index)
{
	for (; h->file != NULL; h++) {
		hostile_make(h);
		(void)fprintf(index, "%s\t%s\t%s\n", h->file, h->word, h->what);
	}
}

/* Ten million directories in half a megabyte, and a million entries and more in a ZIP. */
static int
write_many(void)
{
	make_open("part.tar");
	for (int i = 0; i < 100000; i++)
		tar_header(&(struct tar_item){.name = "d/", .type = '5'});
	make_close();
	make_open("millions.zip");
	zip_millions(1200000);
	make_close();
	return scratch_run("zstd -q -c part.tar >part.zst && rm part.tar && "
			   "for i in $(seq 100); do cat part.zst; done >millions.tar.zst");
}

/* 300 MB of zeros in less than a thousandth of it. */
static int
write_large(void)
{
	static const char zeros[65536];

	make_open("zeros.tar");
	tar_header(&(struct tar_item){.name = "bad", .size = 300 << 20});
	for (size_t n = 0; n < (300 << 20) / sizeof zeros; n++)
		make_bytes(zeros, sizeof zeros);
	tar_end();
	make_close();
	return scratch_run("gzip -c zeros.tar >zeros.tar.gz; zstd -qc zeros.tar >zeros.tar.zst;"
			   "rm zeros.tar");
}

static int
peak(long most, char **argv)
{
	struct rusage used;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || getrusage(RUSAGE_CHILDREN, &used) < 0)
		return 98;
	if (used.ru_maxrss <= most)
		return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
	(void)fprintf(stderr, "%ld kB resident\n", used.ru_maxrss);
	return 99;
}

int
main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "peak") == 0)
		return peak(strtol(argv[2], NULL, 10), argv + 3);
	if (argc >= 3 && chdir(argv[2]) == 0) {
		if (strcmp(argv[1], "large") == 0)
			return write_large();
		if (strcmp(argv[1], "many") == 0)
			return write_many();
		if (argc > 3)
			hostile_prefix = argv[3];
		FILE *index = fopen("index", "we");
		if (index == NULL)
			scratch_fail("index");
		write_all(hostile_tars, index);
		write_all(hostile_zips, index);
		return fclose(index) == 0 ? 0 : 1;
	}
	scratch_open();
	scratch_dir("here"); /* so that ".." is ours, too */
	if (chdir("here") < 0)
		scratch_fail("here");
	(void)umask(022);
	test_archives(hostile_tars);
	test_archives(hostile_zips);
	test_taken(hostile_taken_tars);
	test_taken(hostile_taken_zips);
	test_compressed();
	test_cut();
	test_odd();
	test_windows();
	return check_end();
}
