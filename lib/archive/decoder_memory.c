/*
 * decoder_memory - how much memory a compressed file needs.  See decoder_memory.h.
 */
#include "archive/decoder_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 4096

/* A file, read forwards through a window. */
struct reader {
	int fd;
	uint64_t at, size;   /* where to read next; of the file */
	uint64_t from;       /* where the window begins */
	size_t have;         /* bytes in it */
	unsigned char *data; /* WINDOW bytes */
};

static int
ends_early(struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID,
		       "cannot decompress the archive: it ends early or is damaged");
}

static int
wants_memory(uint64_t window, uint64_t max, struct err *e)
{
	err_set(e, ERR_WORKSPACE_INVALID,
		"decompressing the archive needs %llu MiB of memory; %llu are allowed",
		(unsigned long long)(window >> 20), (unsigned long long)(max >> 20));
	return err_hint(e, "compress it at a lower level");
}

/* The next ${n} bytes, at most a few dozen; NULL on failure. */
static const unsigned char *
take_bytes(struct reader *r, size_t n, struct err *e)
{
	if (r->size < n || r->at > r->size - n) {
		(void)ends_early(e);
		return NULL;
	}
	if (r->at < r->from || r->at + n > r->from + r->have) {
		ssize_t got = pread(r->fd, r->data, WINDOW, (off_t)r->at);
		if (got < 0) {
			err_sys(e, "cannot read the archive");
			return NULL;
		}
		r->from = r->at;
		r->have = (size_t)got;
		if (r->have < n) {
			(void)ends_early(e);
			return NULL;
		}
	}
	r->at += n;
	return r->data + (r->at - n - r->from);
}

static uint64_t
little(const unsigned char *p, int n)
{
	uint64_t value = 0;

	while (n > 0)
		value = value << 8 | p[--n];
	return value;
}

/* A frame's header after its magic: its window, and whether a checksum ends it. */
static int
zstd_header(struct reader *r, uint64_t *window, bool *checksum, struct err *e)
{
	static const int dictionary[] = {0, 1, 2, 4}, content[] = {0, 2, 4, 8};
	const unsigned char *p = take_bytes(r, 1, e);

	if (p == NULL)
		return -1;
	unsigned flags = *p;
	bool single = flags & 0x20;
	*checksum = flags & 0x04;
	*window = 0;
	if (!single) {
		if ((p = take_bytes(r, 1, e)) == NULL)
			return -1;
		uint64_t base = 1ULL << (10 + (*p >> 3));
		*window = base + base / 8 * (*p & 7);
	}
	if (take_bytes(r, (size_t)dictionary[flags & 3], e) == NULL)
		return -1;
	int n = content[flags >> 6];
	if (n == 0 && single)
		n = 1;
	if ((p = take_bytes(r, (size_t)n, e)) == NULL)
		return -1;
	if (single)
		*window = little(p, n) + (n == 2 ? 256 : 0);
	return 0;
}

static int
zstd_frame(struct reader *r, uint64_t max, struct err *e)
{
	const unsigned char *p;
	uint64_t window, block;
	bool checksum;

	if (zstd_header(r, &window, &checksum, e) < 0)
		return -1;
	if (window > max)
		return wants_memory(window, max, e);
	do {
		if ((p = take_bytes(r, 3, e)) == NULL)
			return -1;
		block = little(p, 3);
		unsigned type = block >> 1 & 3;
		uint64_t n = type == 1 ? 1 : block >> 3;
		if (type == 3 || n > r->size - r->at)
			return ends_early(e);
		r->at += n;
	} while ((block & 1) == 0);
	return !checksum || take_bytes(r, 4, e) != NULL ? 0 : -1;
}

int
decoder_memory_zstd(int fd, uint64_t size, uint64_t max, struct err *e)
{
	struct reader r = {.fd = fd, .size = size, .data = malloc(WINDOW)};
	const unsigned char *p;
	int status = -1;

	if (r.data == NULL)
		return err_memory(e);
	while (r.at < size) {
		if ((p = take_bytes(&r, 4, e)) == NULL)
			goto out;
		if (little(p, 4) != 0xfd2fb528) {
			err_set(e, ERR_WORKSPACE_INVALID, "trailing data after the archive");
			goto out;
		}
		if (zstd_frame(&r, max, e) < 0)
			goto out;
	}
	status = 0;
out:
	free(r.data);
	return status;
}

/* A number of the .xz format: seven bits a byte, the last without the eighth. */
static int
vli(struct reader *r, uint64_t *value, struct err *e)
{
	const unsigned char *p;

	*value = 0;
	for (int shift = 0; shift < 63; shift += 7) {
		if ((p = take_bytes(r, 1, e)) == NULL)
			return -1;
		*value |= (uint64_t)(*p & 0x7f) << shift;
		if ((*p & 0x80) == 0)
			return 0;
	}
	return ends_early(e);
}

/* The filters of a block: the last is LZMA2, whose property is the size of its dictionary. */
static int
xz_block(struct reader *r, uint64_t max, struct err *e)
{
	const unsigned char *p = take_bytes(r, 2, e);
	uint64_t id, length;

	if (p == NULL)
		return -1;
	unsigned flags = p[1];
	for (unsigned n = (flags >> 6 & 1) + (flags >> 7); n > 0; n--)
		if (vli(r, &length, e) < 0)
			return -1;
	for (unsigned n = (flags & 3) + 1; n > 0; n--) {
		if (vli(r, &id, e) < 0 || vli(r, &length, e) < 0)
			return -1;
		if (length > 16 || (p = take_bytes(r, (size_t)length, e)) == NULL)
			return ends_early(e);
		if (id != 0x21)
			continue;
		if (length != 1 || *p > 40)
			return ends_early(e);
		uint64_t window = (uint64_t)(2 | (*p & 1)) << (*p / 2 + 11);
		if (window > max)
			return wants_memory(window, max, e);
	}
	return 0;
}

/* One stream that fills the file: its header, blocks, and the index that tells where they are. */
static int
xz_stream(struct reader *blocks, struct reader *index, uint64_t max, struct err *e)
{
	const unsigned char *p;
	uint64_t count, block = 12, length, ignored;

	index->at = index->size < 24 ? 0 : index->size - 12;
	if ((p = take_bytes(index, 12, e)) == NULL)
		return -1;
	uint64_t from = (little(p + 4, 4) + 1) * 4;
	if (memcmp(p + 10, "YZ", 2) != 0 || from > index->size - 24)
		return ends_early(e);
	from = index->at = index->size - 12 - from;
	if ((p = take_bytes(index, 1, e)) == NULL || *p != 0 || vli(index, &count, e) < 0)
		return ends_early(e);
	for (; count > 0; count--) {
		if (vli(index, &length, e) < 0 || vli(index, &ignored, e) < 0)
			return -1;
		blocks->at = block;
		if (length > from || (length + 3) / 4 * 4 > from - block)
			return ends_early(e);
		if (xz_block(blocks, max, e) < 0)
			return -1;
		block += (length + 3) / 4 * 4;
	}
	return block == from ? 0 : ends_early(e);
}

int
decoder_memory_xz(int fd, uint64_t size, uint64_t max, struct err *e)
{
	struct reader blocks = {.fd = fd, .size = size, .data = malloc(WINDOW)};
	struct reader index = {.fd = fd, .size = size, .data = malloc(WINDOW)};
	int status;

	if (blocks.data == NULL || index.data == NULL)
		status = err_memory(e);
	else
		status = xz_stream(&blocks, &index, max, e);
	free(blocks.data);
	free(index.data);
	return status;
}
