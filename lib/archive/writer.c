/*
 * writer - writes an archive.  See writer.h.
 *
 * The archive leaves libarchive through a buffer of our own; libarchive's
 * blocking is off, so that what is stored passes without being copied once more.
 *
 * ZIP says in a flag that a name is UTF-8, and libarchive sets it when LC_CTYPE is UTF-8.  So every
 * header is written in a locale of ours: UTF-8, or C for a name that is not UTF-8, which then
 * travels byte for byte without the flag (see zip_flags.h).
 */
#include "archive/writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/zip_flags.h"
#include "base/file.h"
#include "base/utf8.h"

#define OUT (128 * 1024) /* bytes of the archive written at once */

struct writer {
	int fd;
	enum pack_format format;
	struct archive *archive;
	struct archive_entry *header;
	char *out;
	size_t out_used;
	uint64_t bytes;
	uint64_t begun;     /* of them, on their way to the disk */
	struct err failure; /* of a write, if its code is set */
	bool over;          /* nothing more is written */
	struct zip_flags flags;
	locale_t utf8, raw;
};

static int
write_out(struct writer *a)
{
	struct err e;

	if (file_write(a->fd, a->out, a->out_used, &e) < 0) {
		a->failure = e;
		return -1;
	}
	a->bytes += a->out_used;
	a->out_used = 0;
	file_write_behind(a->fd, &a->begun, a->bytes);
	return 0;
}

static int
append(void *arg, const void *data, size_t n)
{
	struct writer *a = arg;
	size_t done = 0;

	while (done < n) {
		size_t fits = n - done < OUT - a->out_used ? n - done : OUT - a->out_used;
		memcpy(a->out + a->out_used, (const char *)data + done, fits);
		a->out_used += fits;
		done += fits;
		if (a->out_used == OUT && write_out(a) < 0)
			return -1;
	}
	return 0;
}

/* libarchive's sink. */
static ssize_t
write_archive(struct archive *archive, void *arg, const void *data, size_t n)
{
	struct writer *a = arg;

	if (a->over)
		return -1;
	if ((a->format == PACK_ZIP ? zip_flags_write(&a->flags, data, n, append, a)
				   : append(a, data, n)) < 0) {
		archive_set_error(archive, EIO, "%s", a->failure.message);
		return -1;
	}
	return (ssize_t)n;
}

static int
failed(const struct writer *a, const char *path, struct err *e)
{
	if (a->failure.code != ERR_NONE) {
		*e = a->failure;
		return err_add(e, "cannot write the archive");
	}
	return err_set(e, ERR_IO, "cannot put %s into the archive: %s", path,
		       archive_error_string(a->archive));
}

static int
open_archive(struct writer *a, struct err *e)
{
	struct archive *to = a->archive = archive_write_new();
	int status = ARCHIVE_OK;

	if (to == NULL)
		return err_memory(e);
	if (a->format == PACK_ZIP) {
		status = archive_write_set_format_zip(to);
		if (status == ARCHIVE_OK)
			status = archive_write_set_options(to, "zip:compression-level=1");
	} else {
		status = archive_write_set_format_pax(to);
	}
	/* No threads: each wants several MiB of its own. */
	if (status == ARCHIVE_OK && a->format == PACK_TAR_ZST) {
		status = archive_write_add_filter_zstd(to);
		if (status == ARCHIVE_OK)
			status = archive_write_set_options(to, "zstd:compression-level=1");
	}
	if (status == ARCHIVE_OK)
		status = archive_write_set_bytes_per_block(to, 0);
	if (status == ARCHIVE_OK)
		status = archive_write_open(to, a, NULL, write_archive, NULL);
	if (status != ARCHIVE_OK)
		return failed(a, "the head", e);
	return 0;
}

struct writer *
writer_new(int fd, enum pack_format format, struct err *e)
{
	struct writer *a = calloc(1, sizeof *a);

	if (a == NULL || (a->out = malloc(OUT)) == NULL ||
	    (a->header = archive_entry_new()) == NULL) {
		err_memory(e);
		goto err;
	}
	a->fd = fd;
	a->format = format;
	a->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	a->raw = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	if (a->utf8 == (locale_t)0 || a->raw == (locale_t)0) {
		err_set(e, ERR_CONFIG, "the system has no locale C.UTF-8");
		goto err;
	}
	if (open_archive(a, e) < 0)
		goto err;
	return a;
err:
	writer_free(a);
	return NULL;
}

void
writer_free(struct writer *a)
{
	if (a == NULL)
		return;
	archive_entry_free(a->header);
	a->over = true; /* an archive that is given up must not write its end */
	if (a->archive != NULL)
		(void)archive_write_free(a->archive);
	free(a->out);
	if (a->utf8 != (locale_t)0)
		freelocale(a->utf8);
	if (a->raw != (locale_t)0)
		freelocale(a->raw);
	free(a);
}

void
writer_compress(struct writer *a, bool compress)
{
	if (a->format != PACK_ZIP)
		return;
	if (compress)
		(void)archive_write_zip_set_compression_deflate(a->archive);
	else
		(void)archive_write_zip_set_compression_store(a->archive);
}

/* The reader of libarchive takes a name with a backslash and no slash for one from Windows. */
static void
set_path(struct writer *a, const char *path)
{
	char shown[TREE_PATH + 3];

	if (a->format == PACK_ZIP && strchr(path, '\\') != NULL && strchr(path, '/') == NULL) {
		(void)snprintf(shown, sizeof shown, "./%s", path);
		archive_entry_copy_pathname(a->header, shown);
	} else {
		archive_entry_copy_pathname(a->header, path);
	}
}

static void
set_extents(struct writer *a, const struct entry *entry, const struct extent *extents, size_t n)
{
	if (a->format == PACK_ZIP)
		return;
	for (size_t i = 0; i < n; i++)
		archive_entry_sparse_add_entry(a->header, (int64_t)extents[i].at,
					       (int64_t)extents[i].length);
	/* What comes after the last one is a hole, too. */
	if (n > 0 && extents[n - 1].at + extents[n - 1].length < entry->size)
		archive_entry_sparse_add_entry(a->header, (int64_t)entry->size, 0);
}

int
writer_begin(struct writer *a, const struct entry *entry, const struct extent *extents, size_t n,
	     struct err *e)
{
	struct archive_entry *h = archive_entry_clear(a->header);
	bool utf8 = utf8_valid(entry->path) && (entry->target == NULL || utf8_valid(entry->target));
	struct timespec mtime = tree_timespec(entry->mtime);

	locale_t before = uselocale(utf8 ? a->utf8 : a->raw);
	/* What is still to be written of the entry before must not be taken for the header. */
	if (archive_write_finish_entry(a->archive) < ARCHIVE_WARN) {
		(void)uselocale(before);
		return failed(a, entry->path, e);
	}
	a->flags.local = zip_flags_needed(entry->path, strlen(entry->path));
	set_path(a, entry->path);
	archive_entry_set_filetype(h, tree_format(entry->type));
	archive_entry_set_perm(h, entry->mode);
	archive_entry_set_mtime(h, mtime.tv_sec, mtime.tv_nsec);
	archive_entry_set_size(h, entry->type == 'f' ? (int64_t)entry->size : 0);
	if (entry->type == 'l')
		archive_entry_copy_symlink(h, entry->target);
	set_extents(a, entry, extents, n);
	/* A warning is about a name that is not UTF-8, which tar then marks as bytes. */
	int status = archive_write_header(a->archive, h);
	(void)uselocale(before);
	return status < ARCHIVE_WARN ? failed(a, entry->path, e) : 0;
}

int
writer_data(struct writer *a, const char *path, const void *p, size_t n, struct err *e)
{
	if (n > 0 && archive_write_data(a->archive, p, n) != (ssize_t)n)
		return failed(a, path, e);
	return 0;
}

int
writer_zeros(struct writer *a, const char *path, uint64_t n, struct err *e)
{
	static const char zeros[64 * 1024];

	while (n > 0) {
		size_t piece = n < sizeof zeros ? (size_t)n : sizeof zeros;
		if (writer_data(a, path, zeros, piece, e) < 0)
			return -1;
		n -= piece;
	}
	return 0;
}

int
writer_finish(struct writer *a, uint64_t *bytes, struct err *e)
{
	locale_t before = uselocale(a->utf8);
	int status = archive_write_finish_entry(a->archive);

	a->flags.directory = true;
	if (status == ARCHIVE_OK)
		status = archive_write_close(a->archive);
	(void)uselocale(before);
	if (status != ARCHIVE_OK || write_out(a) < 0)
		return failed(a, "the end", e);
	*bytes = a->bytes;
	return 0;
}
