/* hasher: what it writes is what would have been written without it, whatever the sizes. */
#include "check.h"
#include "tree/manifest.h"
#include "archive/hasher.h"
#include "scratch.h"
#include "base/sha256.h"

static char noise[300000];

static void
make_noise(void)
{
	unsigned long long state = 1;

	for (size_t i = 0; i < sizeof noise; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		noise[i] = (char)(state >> 56);
	}
}

static size_t
size_of(unsigned i)
{
	static const size_t sizes[] = {0, 1, 70, 65535, 65536, 65537, 300000, 512, 108000};

	return sizes[i % (sizeof sizes / sizeof sizes[0])];
}

static struct entry
entry_of(unsigned i, char path[32])
{
	(void)snprintf(path, 32, "ws/%06u", i);
	return (struct entry){
	    .path = path, .type = 'f', .mode = 0640, .size = size_of(i), .mtime = i};
}

/* Record ${n} files, with one of zeros and a link behind each. */
static int
record(struct hasher *r, unsigned n, struct err *e)
{
	char path[32], name[40], target[] = "target";

	for (unsigned i = 0; i < n; i++) {
		struct entry f = entry_of(i, path);
		size_t first = f.size / 3;
		if (hasher_data(r, noise, first, e) < 0 ||
		    hasher_data(r, noise + first, f.size - first, e) < 0 ||
		    hasher_entry(r, &f, true, e) < 0)
			return -1;
		(void)snprintf(name, sizeof name, "%s-", path);
		f.path = name;
		if (hasher_zeros(r, 100000, e) < 0 || hasher_entry(r, &f, true, e) < 0)
			return -1;
		(void)snprintf(name, sizeof name, "%s-link", path);
		f.type = 'l';
		f.target = target;
		if (hasher_entry(r, &f, false, e) < 0)
			return -1;
	}
	return 0;
}

/* How many of them the manifest tells right. */
static unsigned
count_right(int fd, unsigned n)
{
	static const char zeros[100000];
	struct err e;
	struct entry *got;
	struct sha256 *h = sha256_new(&e);
	struct manifest_reader *m = manifest_reader_new(fd, &e);
	char path[32], hash[SHA256_HEX], zero[SHA256_HEX];
	unsigned right = 0;

	sha256_add(h, zeros, sizeof zeros);
	sha256_hex(h, zero);
	for (unsigned i = 0; i < n; i++) {
		struct entry f = entry_of(i, path);
		sha256_reset(h);
		sha256_add(h, noise, f.size);
		sha256_hex(h, hash);
		right += manifest_next(m, &got, &e) == 1 && strcmp(got->path, path) == 0 &&
			 got->size == f.size && got->mtime == f.mtime &&
			 strcmp(got->sha256, hash) == 0;
		right += manifest_next(m, &got, &e) == 1 && strcmp(got->sha256, zero) == 0;
		right += manifest_next(m, &got, &e) == 1 && got->type == 'l' &&
			 got->sha256[0] == '\0' && strcmp(got->target, "target") == 0;
	}
	right += manifest_next(m, &got, &e) == 0;
	manifest_reader_free(m);
	sha256_free(h);
	return right;
}

static void
test_sizes(void)
{
	for (unsigned n = 0; n <= 200; n = n * 5 + 1) {
		struct err e = {0};
		int fd = scratch_new("manifest");
		struct hasher *r = hasher_new(fd, &e);
		CHECK_INT(record(r, n, &e), 0, "files of many sizes are taken");
		CHECK_INT(hasher_finish(r, &e), 0, "and written");
		hasher_free(r);
		CHECK_INT(count_right(fd, n), 3 * n + 1, "each with its own hash");
		(void)close(fd);
	}
}

/* What goes wrong with the manifest is told, and nobody waits for ever. */
static void
test_failure(void)
{
	struct err e = {0};
	char path[] = "ws/same";
	struct entry twice = {.path = path, .type = 'f'};

	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct hasher *r = hasher_new(fd, &e);
	int status = r == NULL ? -1 : record(r, 100000, &e);
	CHECK_INT(status, -1, "a full disk is told while there is more to come");
	CHECK_INT(e.code, ERR_NO_SPACE, "as that");
	CHECK_INT(r == NULL ? -1 : hasher_finish(r, &e), -1, "and at the end, too");
	hasher_free(r);
	(void)close(fd);
	fd = scratch_new("manifest");
	r = hasher_new(fd, &e);
	(void)hasher_entry(r, &twice, true, &e);
	(void)hasher_entry(r, &twice, true, &e);
	CHECK_INT(hasher_finish(r, &e), -1, "a path that is there twice is told at the end");
	CHECK_INT(e.code, ERR_WORKSPACE_INVALID, "as that");
	hasher_free(r);
	(void)close(fd);
}

static void
test_given_up(void)
{
	struct err e = {0};

	for (unsigned n = 0; n < 20; n++) {
		int fd = scratch_new("manifest");
		struct hasher *r = hasher_new(fd, &e);
		(void)record(r, n, &e);
		hasher_free(r);
		(void)close(fd);
	}
	CHECK(true, "it can be given up at any time");
}

int
main(void)
{
	scratch_open();
	make_noise();
	test_sizes();
	test_failure();
	test_given_up();
	return check_end();
}
