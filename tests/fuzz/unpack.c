/*
 * Unpacking: nothing appears outside of the directory, limits hold, a refusal says why, and what is
 * taken is the same whether it is unpacked or only looked at.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "fuzz.h"
#include "archive/unpack.h"

static const struct unpack_limits limits = {
    .entries = 64, .bytes = 1 << 18, .ratio = 1000, .depth = 40};

static char top[] = "/tmp/awcp-fuzz-XXXXXX";
static int topfd = -1;

static void
clean_up(void)
{
	(void)file_remove_tree(AT_FDCWD, top, NULL);
}

static void
begin(void)
{
	PROMISE(mkdtemp(top) != NULL);
	topfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	PROMISE(topfd >= 0);
	(void)atexit(clean_up);
}

static unsigned
names_in_top(void)
{
	unsigned count = 0;
	DIR *d = opendir(top);

	PROMISE(d != NULL);
	while (readdir(d) != NULL)
		count++;
	(void)closedir(d);
	return count;
}

static int
take(int fd, int dirfd, struct unpack_totals *totals)
{
	struct err e = {0};
	int manifest = fuzz_file("", 0);

	int status = unpack(&(struct tree){manifest, fd, NULL}, dirfd, &limits, totals, &e);
	PROMISE(totals->bytes <= limits.bytes && totals->files <= limits.entries + 1);
	PROMISE(status == 0 || (e.code != ERR_NONE && e.message[0] != '\0'));
	PROMISE(status == 0 || strchr(e.message, '\n') == NULL);
	(void)close(manifest);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct unpack_totals made, seen;
	struct stat st;

	if (topfd < 0)
		begin();
	int fd = fuzz_file(p, n);
	PROMISE(mkdirat(topfd, "out", 0755) == 0);
	int dir = openat(topfd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	PROMISE(dir >= 0);
	int taken = take(fd, dir, &made), looked = take(fd, -1, &seen);
	PROMISE(taken < 0 || looked == 0);
	PROMISE(taken < 0 || (made.files == seen.files && made.bytes == seen.bytes));
	PROMISE(names_in_top() == 3);
	PROMISE(fstatat(topfd, "out", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
	(void)close(dir);
	(void)close(fd);
	PROMISE(file_remove_tree(topfd, "out", NULL) == 0);
	return 0;
}

size_t LLVMFuzzerMutate(uint8_t *p, size_t n, size_t room) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t room, unsigned seed);

/* A tar whose headers' checksums are wrong is not read far: mend them. */
size_t
LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t room, unsigned seed)
{
	n = LLVMFuzzerMutate(p, n, room);
	for (size_t at = 0; seed % 8 != 0 && at + 512 <= n; at += 512) {
		unsigned sum = 0;
		if (memcmp(p + at + 257, "ustar", 5) != 0)
			continue;
		memset(p + at + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += p[at + i];
		for (size_t i = 6; i > 0; sum >>= 3)
			p[at + 148 + --i] = (uint8_t)('0' + (sum & 7));
		p[at + 154] = 0;
	}
	return n;
}
