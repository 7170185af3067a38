#include "archive/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN (256 * 1024) /* bytes of the file read at once */

/* The next bytes of the file. */
static ssize_t
read_file(struct archive *a, void *arg, const void **data)
{
	struct source *s = arg;
	ssize_t n;

	do
		n = pread(s->fd, s->in, IN, (off_t)s->at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		err_sys(&s->why, "cannot read the archive");
		archive_set_error(a, EIO, "cannot read");
		return -1;
	}
	s->at += (uint64_t)n;
	*data = s->in;
	return n;
}

/* The next bytes without their compression. */
static ssize_t
read_filter(struct archive *a, struct source *s, const void **data)
{
	int64_t offset;
	size_t n = 0;
	int status;

	do
		status = archive_read_data_block(s->filter, data, &n, &offset);
	while (status == ARCHIVE_OK && n == 0);
	if (status == ARCHIVE_OK)
		return (ssize_t)n;
	if (status == ARCHIVE_EOF)
		return 0;
	if (s->why.code == ERR_NONE)
		err_set(&s->why, ERR_WORKSPACE_INVALID, "cannot decompress the archive: %s",
			archive_error_string(s->filter));
	archive_set_error(a, EINVAL, "cannot decompress");
	return -1;
}

static void
keep_tail(struct source *s, const char *p, size_t n)
{
	size_t kept = n < sizeof s->tail ? sizeof s->tail - n : 0;

	memmove(s->tail, s->tail + sizeof s->tail - kept, kept);
	memcpy(s->tail + kept, p + n - (sizeof s->tail - kept), sizeof s->tail - kept);
}

static ssize_t
read_tar(struct archive *a, void *arg, const void **data)
{
	struct source *s = arg;
	ssize_t n = s->filter != NULL ? read_filter(a, s, data) : read_file(a, s, data);

	if (n <= 0)
		return n;
	keep_tail(s, *data, (size_t)n);
	/* Not the piece in which the header begins. */
	if (s->in_header && s->header > SOURCE_HEADER) {
		err_set(&s->why, ERR_WORKSPACE_INVALID,
			"the archive has a header, or the map of a sparse file, of more than %d "
			"bytes",
			SOURCE_HEADER);
		archive_set_error(a, EINVAL, "too large");
		return -1;
	}
	s->header += (uint64_t)n;
	return n;
}

static int64_t
skip_tar(struct archive *a, void *arg, int64_t n)
{
	struct source *s = arg;

	(void)a;
	/* Where it is not there, reading it will show that. */
	if (s->filter != NULL || n < 0 || s->at > s->size || (uint64_t)n > s->size - s->at)
		return 0;
	s->at += (uint64_t)n;
	return n;
}

static ssize_t
read_zip(struct archive *a, void *arg, const void **data)
{
	struct source *s = arg;
	uint64_t at = s->at;
	ssize_t n = read_file(a, s, data);

	if (n > 0)
		zip_marks_clear(&s->marks, at, s->in, (size_t)n);
	return n;
}

static int64_t
seek_zip(struct archive *a, void *arg, int64_t offset, int whence)
{
	struct source *s = arg;
	int64_t from = whence == SEEK_SET   ? 0
		       : whence == SEEK_END ? (int64_t)s->size
					    : (int64_t)s->at;

	if (offset < -from || offset > INT64_MAX - from) {
		archive_set_error(a, EINVAL, "a place outside of the archive");
		return -1;
	}
	s->at = (uint64_t)(from + offset);
	return from + offset;
}

/* Until the source is closed the process gets at most ${bytes} more. */
static void
limit_memory(struct source *s, rlim_t bytes)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return; /* a system without it has no such limit either */
	int found = fscanf(f, "%*u %*u %*u %*u %*u %llu", &pages);
	(void)fclose(f); /* it was only read */
	if (found != 1 || getrlimit(RLIMIT_DATA, &s->previous) < 0)
		return;
	struct rlimit limit = s->previous;
	limit.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + bytes;
	if (!SANITIZED && limit.rlim_cur < s->previous.rlim_cur)
		s->limited = setrlimit(RLIMIT_DATA, &limit) == 0;
}

/* The compression that the file begins with, ARCHIVE_FILTER_NONE for none. */
static int
compression(const char head[6])
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

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (memcmp(head, codes[i].magic, codes[i].n) == 0)
			return codes[i].code;
	return ARCHIVE_FILTER_NONE;
}

static int
open_filter(struct source *s, int code, struct err *e)
{
	struct archive_entry *h;
	struct archive *a = s->filter = archive_read_new();

	if (a == NULL)
		return err_memory(e);
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_append_filter(a, code) != ARCHIVE_OK ||
	    archive_read_set_read_callback(a, read_file) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, s) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(a));
	if (archive_read_open1(a) == ARCHIVE_OK && archive_read_next_header(a, &h) == ARCHIVE_OK)
		return 0;
	/* libarchive does not tell one from the other. */
	err_set(e, ERR_WORKSPACE_INVALID,
		"the archive is damaged, or wants more than %d MiB of memory to be decompressed",
		SOURCE_MEMORY >> 20);
	return err_hint(e, "compress it at a lower level");
}

static int
open_tar(struct source *s, const char head[6], struct err *e)
{
	int code = compression(head);

	if (code != ARCHIVE_FILTER_NONE && open_filter(s, code, e) < 0)
		return -1;
	if (archive_read_support_format_tar(s->archive) < ARCHIVE_WARN ||
	    archive_read_set_read_callback(s->archive, read_tar) != ARCHIVE_OK ||
	    archive_read_set_skip_callback(s->archive, skip_tar) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(s->archive));
	return 0;
}

static int
open_zip(struct source *s, struct err *e)
{
	s->is_zip = true;
	if (zip_marks_find(&s->marks, s->fd, s->size, e) < 0)
		return -1;
	if (archive_read_support_format_zip_seekable(s->archive) != ARCHIVE_OK ||
	    archive_read_set_read_callback(s->archive, read_zip) != ARCHIVE_OK ||
	    archive_read_set_seek_callback(s->archive, seek_zip) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(s->archive));
	return 0;
}

int
source_open(struct source *s, int fd, uint64_t size, struct err *e)
{
	char head[6] = {0};

	s->fd = fd;
	s->size = size;
	memset(s->tail, 1, sizeof s->tail);
	s->archive = archive_read_new();
	s->in = malloc(IN);
	if (s->archive == NULL || s->in == NULL)
		return err_memory(e);
	if (pread(fd, head, sizeof head, 0) < 0)
		return err_sys(e, "cannot read the archive");
	bool zip = memcmp(head, "PK", 2) == 0;
	limit_memory(s, zip ? SOURCE_ZIP_MEMORY : SOURCE_MEMORY);
	int status = zip ? open_zip(s, e) : open_tar(s, head, e);
	if (status < 0)
		return -1;
	if (archive_read_set_callback_data(s->archive, s) != ARCHIVE_OK ||
	    archive_read_open1(s->archive) != ARCHIVE_OK)
		return source_refuse(s, NULL, e);
	return 0;
}

int
source_refuse(const struct source *s, const char *where, struct err *e)
{
	const char *why = archive_error_string(s->archive);

	if (s->why.code != ERR_NONE) {
		*e = s->why;
		return -1;
	}
	if (where == NULL)
		return err_set(e, ERR_WORKSPACE_INVALID, "not an archive that can be read: %s",
			       why != NULL ? why : "it is empty");
	return err_set(e, ERR_WORKSPACE_INVALID, "cannot read the archive at %.256s: %s", where,
		       why != NULL ? why : "it is damaged");
}

/* libarchive looks at nothing after the end of a tar. */
static int
finish_tar(struct source *s, struct err *e)
{
	const void *data;
	ssize_t n;

	do
		n = read_tar(s->archive, s, &data);
	while (n > 0);
	if (n < 0)
		return source_refuse(s, NULL, e);
	if (s->tail[0] != '\0' || memcmp(s->tail, s->tail + 1, sizeof s->tail - 1) != 0)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "the archive ends early, or there is trailing data after it");
	if (s->filter != NULL && (uint64_t)archive_filter_bytes(s->filter, -1) != s->size)
		return err_set(e, ERR_WORKSPACE_INVALID, "trailing data after the archive");
	return 0;
}

int
source_next(struct source *s, struct archive_entry **h, const char *where, struct err *e)
{
	s->header = 0;
	s->in_header = true;
	int status = archive_read_next_header(s->archive, h);
	s->in_header = false;

	/* In a ZIP a warning is about what is not what it claims to be, or worse. */
	if (status == ARCHIVE_OK || (status == ARCHIVE_WARN && !s->is_zip))
		return 1;
	if (status != ARCHIVE_EOF)
		return source_refuse(s, where, e);
	return s->is_zip ? 0 : finish_tar(s, e);
}

void
source_close(struct source *s)
{
	if (s->archive != NULL)
		(void)archive_read_free(s->archive);
	if (s->filter != NULL)
		(void)archive_read_free(s->filter);
	zip_marks_free(&s->marks);
	free(s->in);
	if (s->limited)
		(void)setrlimit(RLIMIT_DATA, &s->previous);
}
