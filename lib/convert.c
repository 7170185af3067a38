/*
 * convert - one archive format to another.  See convert.h.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <unistd.h>

#include "convert.h"
#include "file.h"

#define BLOCK (64 * 1024)

struct conversion {
	struct archive *in, *out;
	int to;
	struct err failure; /* of a write */
};

static ssize_t
take(struct archive *a, void *arg, const void *p, size_t n)
{
	struct conversion *c = arg;
	if (file_write(c->to, p, n, &c->failure) == 0)
		return (ssize_t)n;
	archive_set_error(a, EIO, "%s", c->failure.message);
	return -1;
}

static int
set_up(struct conversion *c, int from, enum pack_format format)
{
	int status = archive_read_support_format_zip(c->in);
	if (status >= ARCHIVE_WARN)
		status = archive_read_support_format_tar(c->in);
	if (status >= ARCHIVE_WARN)
		status = archive_read_support_filter_all(c->in);
	if (status >= ARCHIVE_WARN && lseek(from, 0, SEEK_SET) == 0)
		status = archive_read_open_fd(c->in, from, BLOCK);
	if (status < ARCHIVE_WARN)
		return status;
	status = format == PACK_ZIP ? archive_write_set_format_zip(c->out)
				    : archive_write_set_format_pax_restricted(c->out);
	if (status >= ARCHIVE_WARN && format == PACK_TAR_ZST)
		status = archive_write_add_filter_zstd(c->out);
	/* Without it zeros are added, which is right for tapes only. */
	if (status >= ARCHIVE_WARN)
		status = archive_write_set_bytes_in_last_block(c->out, 1);
	if (status >= ARCHIVE_WARN)
		status = archive_write_open(c->out, c, NULL, take, NULL);
	return status;
}

/* Write ${n} zeros: a hole. */
static int
write_gap(struct conversion *c, la_int64_t n)
{
	static const char zeros[4096];
	while (n > 0) {
		size_t piece = n < (la_int64_t)sizeof zeros ? (size_t)n : sizeof zeros;
		if (archive_write_data(c->out, zeros, piece) < 0)
			return -1;
		n -= (la_int64_t)piece;
	}
	return 0;
}

static int
copy_data(struct conversion *c)
{
	const void *p;
	size_t n;
	la_int64_t at, written = 0;
	int status;
	while ((status = archive_read_data_block(c->in, &p, &n, &at)) >= ARCHIVE_WARN &&
	       status != ARCHIVE_EOF) {
		if (write_gap(c, at - written) || (n > 0 && archive_write_data(c->out, p, n) < 0))
			return ARCHIVE_FATAL;
		written = at + (la_int64_t)n;
	}
	return status == ARCHIVE_EOF ? ARCHIVE_OK : status;
}

static int
run(struct conversion *c)
{
	struct archive_entry *h;
	int status;
	while ((status = archive_read_next_header(c->in, &h)) >= ARCHIVE_WARN &&
	       status != ARCHIVE_EOF) {
		status = archive_write_header(c->out, h);
		if (status < ARCHIVE_WARN)
			return status;
		if (archive_entry_filetype(h) == AE_IFREG && (status = copy_data(c)) < ARCHIVE_WARN)
			return status;
	}
	return status == ARCHIVE_EOF ? archive_write_close(c->out) : status;
}

int
convert(int from, int to, enum pack_format format, struct err *e)
{
	struct conversion c = {.to = to};
	int status = -1;
	/* Names are UTF-8 in our archives; libarchive asks the locale. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	c.in = archive_read_new();
	c.out = archive_write_new();
	if (!c.in || !c.out)
		err_memory(e);
	else if (set_up(&c, from, format) >= ARCHIVE_WARN && run(&c) >= ARCHIVE_WARN)
		status = 0;
	else if (c.failure.code)
		*e = c.failure;
	else {
		const char *why = archive_error_string(c.in);
		why = why ? why : archive_error_string(c.out);
		err_set(e, ERR_BAD_DATA, "cannot convert the archive: %s", why ? why : "no reason");
	}
	if (c.in)
		archive_read_free(c.in);
	if (c.out)
		archive_write_free(c.out);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return status;
}
