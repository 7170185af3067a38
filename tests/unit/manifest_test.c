/* manifest: what is written is read again, in whatever order it came, and nothing torn passes. */
#include <inttypes.h>

#include "check.h"
#include "tree/manifest.h"
#include "scratch.h"

static const char hash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static struct entry
file_entry(char *path)
{
	return (struct entry){.path = path, .type = 'f', .mode = 0644, .size = 1};
}

/* Write ${n} entries and finish; the manifest's file is ${name}. */
static int
write_all(const char *name, struct entry *entries, size_t n, struct err *e)
{
	int fd = scratch_new(name), status = 0;
	struct manifest_writer *w = manifest_writer_new(fd, e);

	for (size_t i = 0; i < n && status == 0; i++)
		status = manifest_add(w, &entries[i], e);
	if (status == 0)
		status = manifest_finish(w, e);
	manifest_writer_free(w);
	(void)close(fd);
	return status;
}

/* Read it to its end: the number of entries, or -1. */
static long
count_all(const char *name, struct err *e)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), status;
	struct manifest_reader *m = manifest_reader_new(fd, e);
	struct entry *entry;
	long n = 0;

	while ((status = manifest_next(m, &entry, e)) == 1)
		n++;
	manifest_reader_free(m);
	(void)close(fd);
	return status < 0 ? -1 : n;
}

static void
test_one_of_each(void)
{
	char odd[] = "ws/odd \n\t\\\x7f\x01 na\xffme", link[] = "ws/zlink",
	     target[] = "odd \n\t\\x";
	struct entry in[] = {
	    {.path = (char[]){"ws"},
	     .type = 'd',
	     .mode = 0755,
	     .mtime = -5,
	     .ctime = 7,
	     .inode = 9},
	    {.path = odd, .type = 'f', .mode = 0600, .size = UINT64_MAX, .mtime = INT64_MAX},
	    {.path = link, .type = 'l', .unsent = true, .mode = 0777, .size = 8, .target = target},
	};
	struct entry *out;
	struct err e;

	memcpy(in[1].sha256, hash, sizeof hash);
	CHECK_INT(write_all("each", in, 3, &e), 0, "a directory, a file and a link are written");
	int fd = open("each", O_RDONLY | O_CLOEXEC);
	struct manifest_reader *m = manifest_reader_new(fd, &e);
	for (size_t i = 0; i < 3; i++) {
		if (!CHECK(manifest_next(m, &out, &e) == 1, "entry %zu is read again", i))
			break;
		CHECK_STR(out->path, in[i].path, "with its path, whatever bytes are in it");
		CHECK_INT(out->type, in[i].type, "with its type");
		CHECK_INT(out->unsent, in[i].unsent, "with whether it was sent");
		CHECK_INT(out->mode, in[i].mode, "with its mode");
		CHECK(out->size == in[i].size, "with its size");
		CHECK_INT(out->mtime, in[i].mtime, "with its time, also before 1970");
		CHECK_INT(out->ctime, in[i].ctime, "with its time of change");
		CHECK_INT(out->inode, in[i].inode, "with its inode");
		CHECK_STR(out->sha256, in[i].sha256, "with its hash, or none");
		CHECK_STR(out->target, in[i].target, "with its target, or none");
	}
	CHECK_INT(manifest_next(m, &out, &e), 0, "then comes the end");
	CHECK_INT(manifest_next(m, &out, &e), 0, "and the end again");
	manifest_reader_free(m);
	(void)close(fd);
}

static void
test_order(void)
{
	static const char *const wanted[] = {"a", "a/x", "a/\x01", "a\x01", "a-b", "a.c", "b"};
	struct entry in[7], *out;
	struct err e;

	for (size_t i = 0; i < 7; i++) {
		in[i] = file_entry((char *)(uintptr_t)wanted[(i * 3 + 4) % 7]);
		if (strcmp(in[i].path, "a") == 0)
			in[i].type = 'd';
	}
	/* '/' comes before every other byte, so a/\x01 stands before a/x */
	CHECK_INT(write_all("order", in, 7, &e), 0, "entries in any order are written");
	int fd = open("order", O_RDONLY | O_CLOEXEC);
	struct manifest_reader *m = manifest_reader_new(fd, &e);
	static const size_t places[] = {0, 2, 1, 3, 4, 5, 6};
	for (size_t i = 0; i < 7 && manifest_next(m, &out, &e) == 1; i++)
		CHECK_STR(out->path, wanted[places[i]], "and read in the order of a walk");
	manifest_reader_free(m);
	(void)close(fd);
}

static void
test_twice(void)
{
	struct entry files[] = {file_entry((char[]){"b"}), file_entry((char[]){"a"}),
				file_entry((char[]){"b"})};
	struct entry dirs[] = {{.path = (char[]){"d"}, .type = 'd', .mode = 0755},
			       file_entry((char[]){"d/x"}),
			       {.path = (char[]){"d"}, .type = 'd', .mode = 0755}};
	struct err e;

	CHECK_INT(write_all("twice", files, 3, &e), -1, "a file that comes twice is refused");
	CHECK_INT(e.code, ERR_WORKSPACE_INVALID, "as an invalid workspace");
	CHECK_STR(e.message, "b is there twice", "with its name");
	CHECK_INT(write_all("twice", dirs, 3, &e), 0, "a directory may come twice");
	CHECK_INT(count_all("twice", &e), 2, "and is listed once");

	struct entry below[] = {file_entry((char[]){"a-"}), file_entry((char[]){"a/x"}),
				file_entry((char[]){"a"})};
	CHECK(write_all("twice", below, 3, &e) < 0 && strstr(e.message, "a/x") != NULL,
	      "what lies below a file is noticed");
}

/* Enough entries, backwards, for many runs and more than one pass of merging. */
static void
test_many(void)
{
	const int MANY = check_quick() ? 40000 : 120000;
	int fd = scratch_new("many");
	struct manifest_writer *w;
	struct err e = {0};
	char path[256];
	int status = 0;

	w = manifest_writer_new(fd, &e);
	for (int i = 0; i < MANY && status == 0; i++) {
		/* A permutation: 7919 and the count have no common divisor. */
		(void)snprintf(path, sizeof path, "%0200d", (int)((i * 7919LL) % MANY));
		struct entry entry = file_entry(path);
		status = manifest_add(w, &entry, &e);
	}
	CHECK_INT(status, 0, "a hundred thousand entries in no order are taken");
	CHECK_INT(manifest_finish(w, &e), 0, "and sorted");
	manifest_writer_free(w);
	(void)close(fd);
	CHECK_INT(count_all("many", &e), MANY, "none is lost, and they are in order");
}

static void
test_torn(void)
{
	struct entry in[] = {file_entry((char[]){"a"}), file_entry((char[]){"b"})};
	struct err e = {0};
	struct stat st;
	bool all = true;

	CHECK_INT(write_all("torn", in, 2, &e), 0, "a manifest is written");
	CHECK_INT(count_all("torn", &e), 2, "and read");
	if (stat("torn", &st) < 0)
		scratch_fail("torn");
	for (off_t n = st.st_size - 1; n >= 0; n--) {
		if (truncate("torn", n) < 0)
			scratch_fail("torn");
		if (count_all("torn", &e) >= 0 || e.code != ERR_BAD_DATA)
			all = false;
	}
	CHECK(all, "cut off anywhere, it is refused");
}

static void
test_wrong(void)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
	    {"awcp-manifest 2\nend 0\n", "another version is refused"},
	    {"awcp-manifest 1\nend 1\n", "a wrong count is refused"},
	    {"awcp-manifest 1\nend 0\nf 644 1 1 0 0 - a\n", "more behind the end is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - b\nf 644 1 1 0 0 - a\nend 2\n",
	     "disorder is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - a\nf 644 1 1 0 0 - a\nend 2\n",
	     "a double is refused"},
	    {"awcp-manifest 1\nx 644 1 1 0 0 - a\nend 1\n", "an unknown type is refused"},
	    {"awcp-manifest 1\nf 648 1 1 0 0 - a\nend 1\n", "a mode that is not octal is refused"},
	    {"awcp-manifest 1\nf 644 -1 1 0 0 - a\nend 1\n", "a negative size is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 xyz a\nend 1\n", "a hash that is none is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - \nend 1\n", "an empty path is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - a\\x0\nend 1\n", "half an escape is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - a\\x00b\nend 1\n", "a NUL in a path is refused"},
	    {"awcp-manifest 1\nl 777 1 1 0 0 - a\nend 1\n", "a link without a target is refused"},
	    {"awcp-manifest 1\nf 644 1 1 0 0 - a\tb\nend 1\n", "a file with a target is refused"},
	    {"awcp-manifest 1\nf 644 1 1\nend 1\n", "a short line is refused"},
	};
	struct err e;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		scratch_text("wrong", bad[i].text);
		e.code = ERR_NONE;
		CHECK(count_all("wrong", &e) < 0 && e.code == ERR_BAD_DATA, "%s", bad[i].sentence);
	}
	scratch_text("wrong", "awcp-manifest 1\nend 0\n");
	CHECK_INT(count_all("wrong", &e), 0, "an empty manifest is one");
}

int
main(void)
{
	scratch_open();
	test_one_of_each();
	test_order();
	test_twice();
	test_many();
	test_torn();
	test_wrong();
	return check_end();
}
