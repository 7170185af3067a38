/*
 * tar_source - the bytes of a tar.  See tar_source.h.
 */
#include "archive/tar_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/decoder_memory.h"
#include "archive/tar_check.h"

#define IN (256 * 1024) /* bytes of the file read at once */

struct tar_source {
	int fd;
	uint64_t at, size;      /* of the file */
	struct archive *filter; /* takes the compression off; NULL: there is none */
	int failed;             /* errno of a read that failed, or 0 */
	struct tar_check watch;
	char in[IN];
};

static ssize_t
read_file(struct tar_source *s)
{
	ssize_t n;

	do
		n = pread(s->fd, s->in, IN, (off_t)s->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		s->failed = errno;
	else
		s->at += (uint64_t)n;
	return n;
}

static ssize_t
give(struct archive *a, void *arg, const void **data)
{
	struct tar_source *s = arg;
	ssize_t n = read_file(s);

	if (n < 0)
		archive_set_error(a, errno, "cannot read");
	*data = s->in;
	return n;
}

static int
refuse_tar(const struct tar_source *s, struct err *e)
{
	if (s->failed != 0) {
		errno = s->failed;
		return err_sys(e, "cannot read the archive");
	}
	const char *why = s->filter != NULL ? archive_error_string(s->filter) : NULL;
	return err_set(e, ERR_WORKSPACE_INVALID, "cannot decompress the archive: %s",
		       why != NULL ? why : "it is damaged");
}

/* The one compression that the file begins with, or ARCHIVE_FILTER_NONE. */
static int
compression(int fd)
{
	static const struct {
		int code;
		size_t n;
		const char *magic;
	} codes[] = {
	    {ARCHIVE_FILTER_ZSTD, 4, "\x28\xb5\x2f\xfd"},
	    {ARCHIVE_FILTER_GZIP, 2, "\x1f\x8b"},
	    {ARCHIVE_FILTER_XZ, 6, "\xfd\x37zXZ\0"},
	};
	char head[6] = {0};

	if (pread(fd, head, sizeof head, 0) < 0)
		return ARCHIVE_FILTER_NONE; /* the next read will say it */
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (memcmp(head, codes[i].magic, codes[i].n) == 0)
			return codes[i].code;
	return ARCHIVE_FILTER_NONE;
}

static int
open_filter(struct tar_source *s, int code, struct err *e)
{
	struct archive_entry *h;
	struct archive *a = s->filter = archive_read_new();

	if (a == NULL)
		return err_memory(e);
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_append_filter(a, code) != ARCHIVE_OK ||
	    archive_read_set_read_callback(a, give) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, s) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(a));
	if (archive_read_open1(a) != ARCHIVE_OK || archive_read_next_header(a, &h) != ARCHIVE_OK)
		return refuse_tar(s, e);
	return 0;
}

struct tar_source *
tar_source_open(int fd, uint64_t size, struct err *e)
{
	struct tar_source *s = calloc(1, sizeof *s);

	if (s == NULL) {
		err_memory(e);
		return NULL;
	}
	s->fd = fd;
	s->size = size;
	int code = compression(fd), status = 0;
	if (code == ARCHIVE_FILTER_ZSTD)
		status = decoder_memory_zstd(fd, size, TAR_SOURCE_WINDOW, e);
	else if (code == ARCHIVE_FILTER_XZ)
		status = decoder_memory_xz(fd, size, TAR_SOURCE_WINDOW, e);
	if (status < 0 || (code != ARCHIVE_FILTER_NONE && open_filter(s, code, e) < 0)) {
		tar_source_close(s);
		return NULL;
	}
	return s;
}

ssize_t
tar_source_next(struct tar_source *s, const void **data, struct err *e)
{
	int64_t offset;
	size_t length = 0;
	ssize_t n;

	if (s->filter == NULL) {
		n = read_file(s);
		*data = s->in;
	} else {
		int status;
		do
			status = archive_read_data_block(s->filter, data, &length, &offset);
		while (status == ARCHIVE_OK && length == 0);
		n = status == ARCHIVE_OK ? (ssize_t)length : status == ARCHIVE_EOF ? 0 : -1;
	}
	if (n < 0)
		return refuse_tar(s, e);
	return tar_check_feed(&s->watch, *data, (size_t)n, e) < 0 ? -1 : n;
}

uint64_t
tar_source_skip(struct tar_source *s, uint64_t n)
{
	if (s->filter != NULL || s->at > s->size || n > s->size - s->at ||
	    tar_check_skip(&s->watch, n) < 0)
		return 0;
	s->at += n;
	return n;
}

int
tar_source_finish(struct tar_source *s, struct err *e)
{
	const void *data;
	ssize_t n;

	while ((n = tar_source_next(s, &data, e)) > 0)
		;
	if (n < 0 || tar_check_end(&s->watch, e) < 0)
		return -1;
	/* A filter stops where its compression ends. */
	if (s->filter != NULL && (uint64_t)archive_filter_bytes(s->filter, -1) != s->size)
		return err_set(e, ERR_WORKSPACE_INVALID, "trailing data after the archive");
	return 0;
}

bool
tar_source_compressed(const struct tar_source *s)
{
	return s->filter != NULL;
}

void
tar_source_close(struct tar_source *s)
{
	if (s == NULL)
		return;
	if (s->filter != NULL)
		(void)archive_read_free(s->filter);
	tar_check_free(&s->watch);
	free(s);
}
