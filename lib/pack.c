/*
 * The archive leaves libarchive through a buffer of our own that hashes and writes it; libarchive's
 * blocking is off, so that what is stored passes without being copied once more.
 *
 * ZIP says in a flag that a name is UTF-8, and libarchive sets it when LC_CTYPE is UTF-8.  So every
 * header is written in a locale of ours: UTF-8, or C for a name that is not UTF-8, which then
 * travels byte for byte without the flag.
 */
#include "pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "manifest.h"
#include "sha256.h"
#include "utf8.h"

#define PIECE (128 * 1024) /* bytes of a file read at once */
#define OUT (128 * 1024)   /* bytes of the archive written at once */
#define SAMPLE 4096        /* bytes that decide whether a file is worth compressing */

struct packer {
	const struct pack_options *o;
	struct pack_totals *totals;
	struct tree *tree;
	struct archive *archive;
	struct archive_entry *header;
	struct manifest_writer *manifest; /* or NULL */
	struct sha256 *whole, *file;      /* NULL without a manifest */
	int fd;
	char *out;
	size_t out_used;
	char *piece;
	struct err failure; /* of a write, if its code is set */
	bool over;          /* nothing more is written */
	locale_t utf8, bytes, before;
};

static int
write_out(struct packer *p)
{
	struct err e;

	if (file_write(p->fd, p->out, p->out_used, &e) < 0) {
		p->failure = e;
		return -1;
	}
	if (p->whole != NULL)
		sha256_add(p->whole, p->out, p->out_used);
	p->totals->archive_bytes += p->out_used;
	p->out_used = 0;
	return 0;
}

/* libarchive's sink. */
static ssize_t
take(struct archive *a, void *arg, const void *data, size_t n)
{
	struct packer *p = arg;
	size_t done = 0;

	if (p->over)
		return -1;
	while (done < n) {
		size_t fits = n - done < OUT - p->out_used ? n - done : OUT - p->out_used;
		memcpy(p->out + p->out_used, (const char *)data + done, fits);
		p->out_used += fits;
		done += fits;
		if (p->out_used == OUT && write_out(p) < 0) {
			archive_set_error(a, EIO, "%s", p->failure.message);
			return -1;
		}
	}
	return (ssize_t)n;
}

static int
archive_failed(struct packer *p, const char *path, struct err *e)
{
	if (p->failure.code != ERR_NONE) {
		*e = p->failure;
		return err_add(e, "cannot write the archive");
	}
	return err_set(e, ERR_IO, "cannot put %s into the archive: %s", path,
		       archive_error_string(p->archive));
}

static int
open_archive(struct packer *p, struct err *e)
{
	struct archive *a = p->archive = archive_write_new();
	int status = ARCHIVE_OK;

	if (a == NULL || (p->header = archive_entry_new()) == NULL)
		return err_memory(e);
	if (p->o->format == PACK_ZIP) {
		status = archive_write_set_format_zip(a);
		if (status == ARCHIVE_OK)
			status = archive_write_set_options(a, "zip:compression-level=1");
	} else {
		status = archive_write_set_format_pax(a);
	}
	if (status == ARCHIVE_OK && p->o->format == PACK_TAR_ZST)
		status = archive_write_add_filter_zstd(a);
	if (status == ARCHIVE_OK)
		status = archive_write_set_bytes_per_block(a, 0);
	if (status == ARCHIVE_OK)
		status = archive_write_open(a, p, NULL, take, NULL);
	if (status != ARCHIVE_OK)
		return archive_failed(p, "the head", e);
	return 0;
}

/* The chance that two bytes of the sample are equal: 1/256 in noise, and in what is compressed
 * already.  Twice that is worth a try; so is nothing that fits a few disk sectors. */
static bool
worth_compressing(const unsigned char *p, size_t n)
{
	uint64_t counts[256] = {0}, pairs = 0;

	if (n < 128)
		return false;
	for (size_t i = 0; i < n; i++)
		counts[p[i]]++;
	for (size_t i = 0; i < 256; i++)
		pairs += counts[i] * (counts[i] == 0 ? 0 : counts[i] - 1);
	return pairs * 128 > (uint64_t)n * (n - 1);
}

/* The reader of libarchive takes a name with a backslash and no slash for one from Windows. */
static void
set_path(struct packer *p, const char *path)
{
	char shown[TREE_PATH + 3];

	if (p->o->format == PACK_ZIP && strchr(path, '\\') != NULL && strchr(path, '/') == NULL) {
		(void)snprintf(shown, sizeof shown, "./%s", path);
		archive_entry_copy_pathname(p->header, shown);
	} else {
		archive_entry_copy_pathname(p->header, path);
	}
}

static int
put_header(struct packer *p, const struct entry *entry, struct err *e)
{
	static const struct {
		char type;
		unsigned format;
	} types[] = {{'f', AE_IFREG}, {'d', AE_IFDIR}, {'l', AE_IFLNK}};
	struct archive_entry *h = archive_entry_clear(p->header);
	bool utf8 = utf8_valid(entry->path) && (entry->target == NULL || utf8_valid(entry->target));
	int64_t seconds = entry->mtime / 1000000000, ns = entry->mtime % 1000000000;

	if (ns < 0) {
		ns += 1000000000;
		seconds--;
	}
	set_path(p, entry->path);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].type == entry->type)
			archive_entry_set_filetype(h, types[i].format);
	archive_entry_set_perm(h, entry->mode);
	archive_entry_set_mtime(h, seconds, (long)ns);
	archive_entry_set_size(h, entry->type == 'f' ? (int64_t)entry->size : 0);
	if (entry->type == 'l')
		archive_entry_copy_symlink(h, entry->target);
	(void)uselocale(utf8 ? p->utf8 : p->bytes);
	/* A warning is about a name that is not UTF-8, which tar then marks as bytes. */
	int status = archive_write_header(p->archive, h);
	(void)uselocale(p->utf8);
	return status < ARCHIVE_WARN ? archive_failed(p, entry->path, e) : 0;
}

static int
changed(const struct entry *entry, struct err *e)
{
	(void)err_set(e, ERR_BUSY, "%s changed while it was read", entry->path);
	return err_hint(e, "try again when nothing writes to the directory");
}

static int
put_piece(struct packer *p, const struct entry *entry, size_t n, struct err *e)
{
	if (p->file != NULL)
		sha256_add(p->file, p->piece, n);
	if (n > 0 && archive_write_data(p->archive, p->piece, n) != (ssize_t)n)
		return archive_failed(p, entry->path, e);
	p->totals->bytes += n;
	if (p->o->progress != NULL)
		p->o->progress(p->o->progress_arg, p->totals->bytes, p->totals->files);
	return 0;
}

static void
choose_compression(struct packer *p, size_t n)
{
	if (p->o->format != PACK_ZIP)
		return;
	if (p->o->compress && worth_compressing((unsigned char *)p->piece, n < SAMPLE ? n : SAMPLE))
		(void)archive_write_zip_set_compression_deflate(p->archive);
	else
		(void)archive_write_zip_set_compression_store(p->archive);
}

/* Send the file ${fd} as ${entry}; its hash goes to ${sha256} if there is to be a manifest. */
static int
put_file(struct packer *p, const struct entry *entry, int fd, char *sha256, struct err *e)
{
	struct stat before, after;
	uint64_t left = entry->size;

	if (fstat(fd, &before) < 0)
		return err_sys(e, "cannot read %s", entry->path);
	ssize_t n = file_read(fd, p->piece, PIECE, e);
	if (n < 0)
		return err_add(e, "%s", entry->path);
	choose_compression(p, (size_t)n);
	if (put_header(p, entry, e) < 0)
		return -1;
	if (p->file != NULL)
		sha256_reset(p->file);
	while (n > 0 && (uint64_t)n <= left) {
		left -= (uint64_t)n;
		if (put_piece(p, entry, (size_t)n, e) < 0)
			return -1;
		if ((n = file_read(fd, p->piece, PIECE, e)) < 0)
			return err_add(e, "%s", entry->path);
	}
	if (n != 0 || left != 0 || fstat(fd, &after) < 0 || after.st_size != before.st_size ||
	    after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
		return changed(entry, e);
	if (p->file != NULL)
		sha256_hex(p->file, sha256);
	p->totals->files++;
	return 0;
}

static int
put_regular(struct packer *p, struct entry *entry, struct err *e)
{
	int fd = tree_open_file(p->tree, e);

	if (fd < 0)
		return -1;
	int status = put_file(p, entry, fd, entry->sha256, e);
	(void)close(fd);
	return status;
}

/* The link ${entry} cannot be sent, for the reason in ${e}. */
static int
leave_out(struct packer *p, struct entry *entry, const struct err *e)
{
	if (!p->o->lenient || e->code != ERR_WORKSPACE_INVALID)
		return -1;
	p->totals->left_out++;
	entry->unsent = true;
	return 0;
}

/* The manifest keeps the link; the archive gets what it points to. */
static int
put_followed(struct packer *p, struct entry *entry, struct err *e)
{
	struct entry file = *entry;
	struct stat st;
	int fd;

	if (tree_follow(p->tree, entry, &fd, e) < 0)
		return leave_out(p, entry, e);
	if (fd < 0) {
		entry->unsent = true;
		return 0;
	}
	int status = fstat(fd, &st);
	if (status < 0) {
		(void)err_sys(e, "cannot read %s", entry->path);
	} else {
		file.type = 'f';
		file.target = NULL;
		file.size = (uint64_t)st.st_size;
		file.mode = st.st_mode & 0777;
		status = put_file(p, &file, fd, entry->sha256, e);
	}
	(void)close(fd);
	return status;
}

static int
put_link(struct packer *p, struct entry *entry, struct err *e)
{
	size_t top = strlen(tree_resource(p->tree)->name);

	if (!p->o->fidelity)
		return put_followed(p, entry, e);
	if (!tree_link_inside(entry->path + (top > 0 ? top + 1 : 0), entry->target)) {
		(void)err_set(e, ERR_WORKSPACE_INVALID,
			      "%s is a link that leads out of what is sent: %s", entry->path,
			      entry->target);
		(void)err_hint(e, "leave it out with a pattern, or make it relative");
		return leave_out(p, entry, e);
	}
	return put_header(p, entry, e);
}

static int
put_entry(struct packer *p, struct entry *entry, struct err *e)
{
	int status = 0;

	switch (entry->type) {
	case 'f':
		status = put_regular(p, entry, e);
		break;
	case 'l':
		status = put_link(p, entry, e);
		break;
	case 'd':
		status = put_header(p, entry, e);
		break;
	default: /* a device, FIFO or socket is nothing to send, and nothing that apply touches */
		return 0;
	}
	if (status == 0 && p->manifest != NULL)
		status = manifest_add(p->manifest, entry, e);
	return status;
}

static int
prepare(struct packer *p, const struct resource *r, size_t n, int manifestfd, struct err *e)
{
	if ((p->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)) == (locale_t)0 ||
	    (p->bytes = newlocale(LC_CTYPE_MASK, "C", (locale_t)0)) == (locale_t)0)
		return err_set(e, ERR_CONFIG, "the system has no locale C.UTF-8");
	p->before = uselocale(p->utf8);
	p->out = malloc(OUT);
	p->piece = malloc(PIECE);
	if (p->out == NULL || p->piece == NULL)
		return err_memory(e);
	if (manifestfd >= 0 &&
	    ((p->manifest = manifest_writer_new(manifestfd, e)) == NULL ||
	     (p->whole = sha256_new(e)) == NULL || (p->file = sha256_new(e)) == NULL))
		return -1;
	if ((p->tree = tree_open(r, n, e)) == NULL)
		return -1;
	return open_archive(p, e);
}

static int
finish(struct packer *p, struct err *e)
{
	if (archive_write_close(p->archive) != ARCHIVE_OK || write_out(p) < 0)
		return archive_failed(p, "the end", e);
	if (p->whole != NULL)
		sha256_hex(p->whole, p->totals->sha256);
	return p->manifest != NULL ? manifest_finish(p->manifest, e) : 0;
}

static void
clean_up(struct packer *p)
{
	archive_entry_free(p->header);
	p->over = true; /* an archive that is given up must not write its end */
	(void)archive_write_free(p->archive);
	tree_close(p->tree);
	manifest_writer_free(p->manifest);
	sha256_free(p->whole);
	sha256_free(p->file);
	free(p->piece);
	free(p->out);
	if (p->before != (locale_t)0)
		(void)uselocale(p->before);
	if (p->utf8 != (locale_t)0)
		freelocale(p->utf8);
	if (p->bytes != (locale_t)0)
		freelocale(p->bytes);
}

int
pack(const struct resource *r, size_t n, const struct pack_options *o, int fd, int manifestfd,
     struct pack_totals *totals, struct err *e)
{
	struct packer p = {.o = o, .totals = totals, .fd = fd};
	struct entry *entry;
	int status;

	*totals = (struct pack_totals){0};
	if ((status = prepare(&p, r, n, manifestfd, e)) == 0) {
		while ((status = tree_next(p.tree, &entry, e)) == 1)
			if ((status = put_entry(&p, entry, e)) < 0)
				break;
		if (status == 0)
			status = finish(&p, e);
	}
	clean_up(&p);
	return status;
}
