/*
 * pack_file - a file on its way into an archive.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/packer.h"
#include "base/file.h"

#define SAMPLE 4096          /* bytes that decide whether a file is worth compressing */
#define HOLE_MIN (32 * 1024) /* bytes of a hole that is worth telling apart */

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

static int
file_changed(const struct entry *entry, struct err *e)
{
	err_set(e, ERR_BUSY, "%s changed while it was read", entry->path);
	return err_hint(e, "try again when nothing writes to the directory");
}

/* Find the parts of ${fd} that are no holes: how many, 0 if there are no holes.  A file of more
 * parts than can be told has its last holes filled. */
static size_t
find_extents(struct packer *p, int fd, const struct stat *st)
{
	off_t size = st->st_size, at = 0;
	size_t n = 0;

	if (p->o->format == PACK_ZIP || (off_t)st->st_blocks * 512 >= size)
		return 0;
	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return 0;
		if (data < 0 || data > size)
			data = size;
		off_t end = data < size ? lseek(fd, data, SEEK_HOLE) : size;
		if (end < 0)
			return 0;
		if (end > size)
			end = size;
		struct extent *last = n > 0 ? &p->extents[n - 1] : NULL;
		bool joined = last != NULL && (data - at < HOLE_MIN || n == PACKER_EXTENTS);
		if (joined)
			last->length = (uint64_t)end - last->at;
		else
			p->extents[n++] = (struct extent){(uint64_t)data, (uint64_t)(end - data)};
		at = end;
	}
	return n;
}

void
packer_count(struct packer *p, uint64_t n)
{
	p->totals->bytes += n;
	if (p->o->progress != NULL)
		p->o->progress(p->o->progress_arg, p->totals->bytes, p->totals->files);
}

static int
put_zeros(struct packer *p, const struct entry *entry, uint64_t n, struct err *e)
{
	if (n > 0 && p->hasher != NULL && hasher_zeros(p->hasher, n, e) < 0)
		return -1;
	while (n > 0) {
		size_t piece = n < PACKER_PIECE ? (size_t)n : PACKER_PIECE;
		if (interrupt_check(&p->o->interrupt, e) < 0)
			return -1;
		memset(p->piece, 0, piece);
		if (p->file != NULL)
			sha256_add(p->file, p->piece, piece);
		if (writer_data(p->archive, entry->path, p->piece, piece, e) < 0)
			return -1;
		packer_count(p, piece);
		n -= piece;
	}
	return 0;
}

/* Send ${n} bytes from where ${fd} stands. */
static int
put_bytes(struct packer *p, const struct entry *entry, int fd, uint64_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got =
		    file_read(fd, p->piece, n < PACKER_PIECE ? (size_t)n : PACKER_PIECE, e);
		if (got < 0) {
			p->unread = true;
			return err_add(e, "%s", entry->path);
		}
		if (interrupt_check(&p->o->interrupt, e) < 0)
			return -1;
		if (got == 0)
			return file_changed(entry, e);
		if (p->file != NULL)
			sha256_add(p->file, p->piece, (size_t)got);
		if (p->hasher != NULL && hasher_data(p->hasher, p->piece, (size_t)got, e) < 0)
			return -1;
		if (writer_data(p->archive, entry->path, p->piece, (size_t)got, e) < 0)
			return -1;
		p->content += (uint64_t)got;
		packer_count(p, (uint64_t)got);
		n -= (uint64_t)got;
	}
	return 0;
}

static int
put_extents(struct packer *p, const struct entry *entry, int fd, size_t n, struct err *e)
{
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct extent *x = &p->extents[i];
		if (put_zeros(p, entry, x->at - at, e) < 0)
			return -1;
		if (lseek(fd, (off_t)x->at, SEEK_SET) < 0)
			return err_sys(e, "cannot read %s", entry->path);
		if (put_bytes(p, entry, fd, x->length, e) < 0)
			return -1;
		at = x->at + x->length;
	}
	return put_zeros(p, entry, entry->size - at, e);
}

static int
choose_compression(struct packer *p, int fd, const struct entry *entry, struct err *e)
{
	unsigned char sample[SAMPLE];
	bool worth = false;

	if (p->o->format != PACK_ZIP)
		return 0;
	if (p->o->compress) {
		ssize_t n = pread(fd, sample, sizeof sample, 0);
		if (n < 0)
			return err_sys(e, "cannot read %s", entry->path);
		worth = worth_compressing(sample, (size_t)n);
	}
	writer_compress(p->archive, worth);
	return 0;
}

int
packer_header(struct packer *p, const struct entry *entry, struct err *e)
{
	/* In a delta the list has all that is not a file. */
	return p->delta ? 0 : writer_begin(p->archive, entry, NULL, 0, e);
}

int
packer_send(struct packer *p, const struct entry *entry, int fd, char *sha256, struct err *e)
{
	struct stat before, after;
	char more;

	if (fstat(fd, &before) < 0)
		return err_sys(e, "cannot read %s", entry->path);
	if ((uint64_t)before.st_size != entry->size)
		return file_changed(entry, e);
	struct tree_totals sent = {.files = p->totals->files, .bytes = p->totals->bytes};
	if (p->o->limits != NULL &&
	    tree_count(p->o->limits, entry->path, entry->size, &sent, e) < 0)
		return -1;
	size_t n = find_extents(p, fd, &before);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read %s", entry->path);
	if (choose_compression(p, fd, entry, e) < 0 ||
	    writer_begin(p->archive, entry, p->extents, n, e) < 0)
		return -1;
	if (p->file != NULL)
		sha256_reset(p->file);
	if (n > 0 ? put_extents(p, entry, fd, n, e) < 0
		  : put_bytes(p, entry, fd, entry->size, e) < 0)
		return -1;
	if (pread(fd, &more, 1, (off_t)entry->size) != 0 || fstat(fd, &after) < 0 ||
	    after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
		return file_changed(entry, e);
	if (p->file != NULL)
		sha256_hex(p->file, sha256);
	p->hashed = true;
	p->totals->files++;
	return 0;
}
