#include "archive/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tree/manifest.h"
#include "archive/hasher.h"
#include "base/sha256.h"
#include "tree/baseline.h"
#include "archive/unpack.h"

#define DENSE 500            /* bytes for each of the archive's that a reader may refuse */
#define PIECE (128 * 1024)   /* bytes of a file read at once */
#define SAMPLE 4096          /* bytes that decide whether a file is worth compressing */
#define EXTENTS 1024         /* parts of a file with holes that are told apart */
#define HOLE_MIN (32 * 1024) /* bytes of a hole that is worth telling */

struct packer {
	const struct pack_options *o;
	struct pack_totals *totals;
	struct walk *tree;
	struct writer *archive;
	struct hasher *hasher; /* of the manifest and the hashes in it, or NULL; or else */
	struct manifest_writer
	    *manifest;             /* of a delta, which must know each hash at once; or NULL */
	struct sha256 *file;       /* for it */
	bool hashed;               /* the hasher has the content of the entry at hand */
	struct baseline *baseline; /* or NULL */
	int baselinefd;            /* what it reads, or -1 */
	int listfd;                /* of a delta, or -1 */
	uint64_t content;          /* bytes of files, without holes */
	char *piece;
	struct extent extents[EXTENTS];
};

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
changed(const struct entry *entry, struct err *e)
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
		bool joined = last != NULL && (data - at < HOLE_MIN || n == EXTENTS);
		if (joined)
			last->length = (uint64_t)end - last->at;
		else
			p->extents[n++] = (struct extent){(uint64_t)data, (uint64_t)(end - data)};
		at = end;
	}
	return n;
}

/* Content was sent, or passed over. */
static void
count_bytes(struct packer *p, uint64_t n)
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
		size_t piece = n < PIECE ? (size_t)n : PIECE;
		if (interrupt_check(&p->o->interrupt, e) < 0)
			return -1;
		memset(p->piece, 0, piece);
		if (p->file != NULL)
			sha256_add(p->file, p->piece, piece);
		if (writer_data(p->archive, entry->path, p->piece, piece, e) < 0)
			return -1;
		count_bytes(p, piece);
		n -= piece;
	}
	return 0;
}

/* Send ${n} bytes from where ${fd} stands. */
static int
put_bytes(struct packer *p, const struct entry *entry, int fd, uint64_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got = file_read(fd, p->piece, n < PIECE ? (size_t)n : PIECE, e);
		if (got < 0)
			return err_add(e, "%s", entry->path);
		if (interrupt_check(&p->o->interrupt, e) < 0)
			return -1;
		if (got == 0)
			return changed(entry, e);
		if (p->file != NULL)
			sha256_add(p->file, p->piece, (size_t)got);
		if (p->hasher != NULL && hasher_data(p->hasher, p->piece, (size_t)got, e) < 0)
			return -1;
		if (writer_data(p->archive, entry->path, p->piece, (size_t)got, e) < 0)
			return -1;
		p->content += (uint64_t)got;
		count_bytes(p, (uint64_t)got);
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

/* Send the file ${fd} as ${entry}; its hash goes to ${sha256} if somebody wants it. */
static int
put_file(struct packer *p, const struct entry *entry, int fd, char *sha256, struct err *e)
{
	struct stat before, after;
	char more;

	if (fstat(fd, &before) < 0)
		return err_sys(e, "cannot read %s", entry->path);
	if ((uint64_t)before.st_size != entry->size)
		return changed(entry, e);
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
		return changed(entry, e);
	if (p->file != NULL)
		sha256_hex(p->file, sha256);
	p->hashed = true;
	p->totals->files++;
	return 0;
}

static int
put_regular(struct packer *p, struct entry *entry, bool same, struct err *e)
{
	if (same && p->listfd >= 0) {
		entry->in_base = true;
		p->totals->files++;
		count_bytes(p, entry->size);
		return 0;
	}
	int fd = walk_open_file(p->tree, e);
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

	if (walk_follow(p->tree, entry, &fd, e) < 0)
		return leave_out(p, entry, e);
	if (fd < 0) {
		entry->unsent = true;
		return 0;
	}
	int status = fstat(fd, &st);
	if (status < 0) {
		err_sys(e, "cannot read %s", entry->path);
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

/* In a delta the list tells all of what is no file. */
static int
put_header(struct packer *p, const struct entry *entry, struct err *e)
{
	return p->listfd >= 0 ? 0 : writer_begin(p->archive, entry, NULL, 0, e);
}

static int
put_link(struct packer *p, struct entry *entry, struct err *e)
{
	size_t top = strlen(walk_resource(p->tree)->name);

	if (!p->o->fidelity)
		return put_followed(p, entry, e);
	if (!tree_link_inside(entry->path + (top > 0 ? top + 1 : 0), entry->target)) {
		err_set(e, ERR_WORKSPACE_INVALID, "%s is a link that leads out of what is sent: %s",
			entry->path, entry->target);
		err_hint(e, "leave it out with a pattern, or make it relative");
		return leave_out(p, entry, e);
	}
	return put_header(p, entry, e);
}

/* Add ${entry} to the manifest, which in a delta is for somebody else. */
static int
note(struct packer *p, const struct entry *entry, struct err *e)
{
	struct entry told = *entry;
	bool hashed = p->hashed;

	p->hashed = false;
	if (p->hasher != NULL)
		return hasher_entry(p->hasher, entry, hashed, e);
	if (p->manifest == NULL || (p->listfd >= 0 && entry->unsent))
		return 0;
	if (p->listfd >= 0) {
		told.ctime = 0;
		told.inode = 0;
	}
	return manifest_add(p->manifest, &told, e);
}

static int
put_entry(struct packer *p, struct entry *entry, struct err *e)
{
	bool same = false;
	int status = 0;

	/* A device, FIFO or socket is nothing to send, and nothing that apply touches. */
	if (strchr("fdl", entry->type) == NULL)
		return 0;
	if (p->baseline != NULL && baseline_match(p->baseline, p->tree, entry, &same, e) < 0)
		return -1;
	if (entry->type == 'f')
		status = put_regular(p, entry, same, e);
	else if (entry->type == 'l')
		status = put_link(p, entry, e);
	else
		status = put_header(p, entry, e);
	if (status == 0 && p->baseline != NULL && !entry->unsent)
		baseline_count(p->baseline, entry, same);
	return status == 0 ? note(p, entry, e) : -1;
}

static int
prepare(struct packer *p, const struct resource *r, size_t n, int fd, int manifestfd, struct err *e)
{
	if ((p->piece = malloc(PIECE)) == NULL)
		return err_memory(e);
	if (p->baselinefd >= 0) {
		if ((p->baseline = baseline_open(p->baselinefd, r, n, p->o->fidelity, e)) == NULL)
			return -1;
		baseline_on_change(p->baseline, p->o->changed, p->o->changed_arg);
	}
	if (p->baseline == NULL && manifestfd >= 0 &&
	    (p->hasher = hasher_new(manifestfd, e)) == NULL)
		return -1;
	if (p->baseline != NULL &&
	    ((manifestfd >= 0 && (p->manifest = manifest_writer_new(manifestfd, e)) == NULL) ||
	     (p->file = sha256_new(e)) == NULL))
		return -1;
	if ((p->tree = walk_open(r, n, e)) == NULL)
		return -1;
	walk_heed(p->tree, &p->o->interrupt);
	p->archive = writer_new(fd, p->o->format, e);
	return p->archive == NULL ? -1 : 0;
}

/* Put the list, which is complete, behind all that it tells of. */
static int
put_list(struct packer *p, struct err *e)
{
	struct entry list = {.path = (char[]){PACK_LIST}, .type = 'f', .mode = 0600};
	struct stat st;
	ssize_t n;

	if (fstat(p->listfd, &st) < 0 || lseek(p->listfd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the list");
	list.size = (uint64_t)st.st_size;
	writer_compress(p->archive, false);
	if (writer_begin(p->archive, &list, NULL, 0, e) < 0)
		return -1;
	while ((n = file_read(p->listfd, p->piece, PIECE, e)) > 0)
		if (writer_data(p->archive, list.path, p->piece, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int
finish(struct packer *p, struct err *e)
{
	if ((p->hasher != NULL && hasher_finish(p->hasher, e) < 0) ||
	    (p->manifest != NULL && manifest_finish(p->manifest, e) < 0))
		return -1;
	if (p->baseline != NULL && baseline_finish(p->baseline, &p->totals->changed, e) < 0)
		return -1;
	if (p->listfd >= 0 && put_list(p, e) < 0)
		return -1;
	return writer_finish(p->archive, &p->totals->archive_bytes, e);
}

static int
run(struct packer *p, const struct resource *r, size_t n, int fd, int manifestfd, struct err *e)
{
	struct entry *entry;
	int status = prepare(p, r, n, fd, manifestfd, e);

	if (status == 0) {
		while ((status = walk_next(p->tree, &entry, e)) == 1)
			if ((status = put_entry(p, entry, e)) < 0)
				break;
		if (status == 0)
			status = finish(p, e);
	}
	writer_free(p->archive);
	baseline_close(p->baseline);
	walk_close(p->tree);
	hasher_free(p->hasher);
	manifest_writer_free(p->manifest);
	sha256_free(p->file);
	free(p->piece);
	return status;
}

/* Start ${fd}, if it is a file, again from nothing: 1, 0 if it is none, -1. */
static int
start_over(int fd, struct err *e)
{
	if (fd < 0)
		return 1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return 0;
	return ftruncate(fd, 0) < 0 ? err_sys(e, "cannot write the archive") : 1;
}

/* Pack; and what was squeezed so well that its reader would take it for a bomb, as it is. */
static int
pack_either(struct packer *p, const struct resource *r, size_t n, int fd, int manifestfd,
	    struct err *e)
{
	struct pack_options plain = *p->o;
	struct packer again = *p;
	int status = run(p, r, n, fd, manifestfd, e);

	if (status < 0 || plain.format != PACK_TAR_ZST || p->content <= UNPACK_ANY_RATIO ||
	    p->content / DENSE <= p->totals->archive_bytes)
		return status;
	status = start_over(fd, e);
	if (status <= 0 || (status = start_over(manifestfd, e)) <= 0)
		return status;
	plain.format = PACK_TAR;
	plain.changed = NULL; /* all was told */
	*p->totals = (struct pack_totals){0};
	again.o = &plain;
	return run(&again, r, n, fd, manifestfd, e);
}

int
pack(const struct resource *r, size_t n, const struct pack_options *o, int fd, int manifestfd,
     struct pack_totals *totals, struct err *e)
{
	struct packer p = {.o = o, .totals = totals, .baselinefd = -1, .listfd = -1};

	*totals = (struct pack_totals){0};
	return pack_either(&p, r, n, fd, manifestfd, e);
}

int
pack_back(const struct resource *r, size_t n, const struct pack_options *o, int fd, int baselinefd,
	  int listfd, struct pack_totals *totals, struct err *e)
{
	struct packer p = {.o = o, .totals = totals, .baselinefd = baselinefd, .listfd = listfd};

	*totals = (struct pack_totals){0};
	return pack_either(&p, r, n, fd, listfd, e);
}
