#include "zip_directory.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Fixed parts of the records (APPNOTE.TXT 4.3.12 to 4.3.16). */
#define ENTRY 46
#define END 22
#define LOCATOR 20
#define END64 56
#define TAIL (16 * 1024) /* where libarchive looks for the end record */

static uint64_t
little(const unsigned char *p, int n)
{
	uint64_t value = 0;

	while (n > 0)
		value = value << 8 | p[--n];
	return value;
}

static int
get(int fd, uint64_t at, unsigned char *p, size_t n, struct err *e)
{
	ssize_t got = pread(fd, p, n, (off_t)at);

	if (got < 0)
		return err_sys(e, "cannot read the archive");
	if ((size_t)got != n)
		return err_set(e, ERR_WORKSPACE_INVALID, "the ZIP archive ends early");
	return 0;
}

static int
no_directory(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "the ZIP archive has no directory at its end: it was cut off or is damaged");
}

/* Find the end record: copy it to ${end}, and its place to *${at}. */
static int
find_end(int fd, uint64_t size, unsigned char end[END], uint64_t *at, struct err *e)
{
	unsigned char tail[TAIL] = {0};
	size_t n = size < TAIL ? (size_t)size : TAIL;

	if (n < END)
		return no_directory(e);
	if (get(fd, size - n, tail, n, e) < 0)
		return -1;
	for (size_t i = n - END + 1; i > 0; i--) {
		const unsigned char *p = tail + i - 1;
		if (memcmp(p, "PK\5\6", 4) != 0)
			continue;
		/* The last one must be the one that ends the file: no second one hides behind it.
		 */
		if (i - 1 + END + little(p + 20, 2) != n)
			return no_directory(e);
		memcpy(end, p, END);
		*at = size - n + i - 1;
		return 0;
	}
	return no_directory(e);
}

/* Where the directory begins: from the end record, or from the one for large archives. */
static int
find_directory(int fd, uint64_t size, uint64_t *directory, struct err *e)
{
	unsigned char end[END] = {0}, locator[LOCATOR] = {0}, large[END64] = {0};
	uint64_t at = 0;

	if (find_end(fd, size, end, &at, e) < 0)
		return -1;
	*directory = little(end + 16, 4);
	/* libarchive takes the large record whenever its locator is there, needed or not. */
	if (at >= LOCATOR) {
		if (get(fd, at - LOCATOR, locator, LOCATOR, e) < 0)
			return -1;
		bool is_large = memcmp(locator, "PK\6\7", 4) == 0;
		at = little(locator + 8, 8);
		if (is_large &&
		    (size < END64 || at > size - END64 || get(fd, at, large, END64, e) < 0 ||
		     memcmp(large, "PK\6\6", 4) != 0))
			return no_directory(e);
		if (is_large)
			*directory = little(large + 48, 8);
	}
	return *directory <= size ? 0 : no_directory(e);
}

int
zip_directory_check(int fd, uint64_t size, uint64_t most, struct err *e)
{
	unsigned char window[65536], *p = window;
	uint64_t at, count = 0;
	size_t have = 0;

	if (find_directory(fd, size, &at, e) < 0)
		return -1;
	for (;;) {
		if (have < ENTRY) {
			have = size - at < sizeof window ? (size_t)(size - at) : sizeof window;
			if (get(fd, at, window, have, e) < 0)
				return -1;
			p = window;
		}
		if (have < ENTRY || memcmp(p, "PK\1\2", 4) != 0)
			break;
		if (++count > most)
			return err_set(e, ERR_WORKSPACE_TOO_LARGE,
				       "the archive has more than %llu entries",
				       (unsigned long long)most);
		size_t length = ENTRY + little(p + 28, 2) + little(p + 30, 2) + little(p + 32, 2);
		if (length > size - at)
			return no_directory(e);
		at += length;
		p += length;
		have = length < have ? have - length : 0;
	}
	/* libarchive would look for a directory elsewhere; nobody who means well needs that. */
	if (count == 0 || have < 4 || (memcmp(p, "PK\5\6", 4) != 0 && memcmp(p, "PK\6\6", 4) != 0))
		return no_directory(e);
	return 0;
}
