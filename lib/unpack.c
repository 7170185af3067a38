#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "home.h"
#include "manifest.h"
#include "place.h"
#include "sha256.h"
#include "tree.h"

#define IN (256 * 1024) /* bytes of the archive read at once */

struct unpacker {
	int fd;
	uint64_t at, size; /* of the archive */
	char *in;
	int failed; /* errno of a read that failed, or 0 */
	const struct unpack_limits *l;
	struct unpack_totals *totals;
	uint64_t entries;
	struct archive *archive;
	struct place place;
	bool (*want)(void *arg, const char *path);
	void *arg;
	bool creates;                     /* there is a directory to unpack to */
	struct manifest_writer *manifest; /* or NULL */
	struct sha256 *hash;              /* NULL without a manifest */
	struct entry entry;
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1];
	locale_t utf8, before;
};

int
unpack_limits(struct unpack_limits *l, struct err *e)
{
	long long bytes;

	if (home_limit("AWCP_MAX_UNPACKED", 64LL << 30, &bytes, e) < 0)
		return -1;
	*l = (struct unpack_limits){.entries = 1000000, .bytes = (uint64_t)bytes, .depth = 1000};
	return 0;
}

static ssize_t
give(struct archive *a, void *arg, const void **data)
{
	struct unpacker *u = arg;
	ssize_t n;

	do
		n = pread(u->fd, u->in, IN, (off_t)u->at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		u->failed = errno;
		archive_set_error(a, errno, "cannot read");
		return -1;
	}
	*data = u->in;
	u->at += (uint64_t)n;
	return n;
}

static int64_t
seek(struct archive *a, void *arg, int64_t offset, int whence)
{
	struct unpacker *u = arg;
	int64_t from = whence == SEEK_SET   ? 0
		       : whence == SEEK_CUR ? (int64_t)u->at
					    : (int64_t)u->size;

	(void)a;
	if (offset < -from || offset > INT64_MAX - from)
		return ARCHIVE_FATAL;
	u->at = (uint64_t)(from + offset);
	return from + offset;
}

static int64_t
skip(struct archive *a, void *arg, int64_t n)
{
	struct unpacker *u = arg;

	(void)a;
	if (n < 0 || (uint64_t)n > u->size - (u->at < u->size ? u->at : u->size))
		return 0;
	u->at += (uint64_t)n;
	return n;
}

/* The archive is to blame: say at which entry. */
static int
refuse(struct unpacker *u, struct err *e)
{
	const char *why = archive_error_string(u->archive);

	if (u->failed != 0) {
		errno = u->failed;
		return err_sys(e, "cannot read the archive");
	}
	if (u->entries == 0)
		return err_set(e, ERR_WORKSPACE_INVALID, "cannot read the archive: %s",
			       why != NULL ? why : "it is none");
	return err_set(e, ERR_WORKSPACE_INVALID, "cannot read the archive at %s: %s", u->path,
		       why != NULL ? why : "it is damaged");
}

static int
open_archive(struct unpacker *u, struct err *e)
{
	struct archive *a = u->archive = archive_read_new();

	if (a == NULL)
		return err_memory(e);
	if (archive_read_support_format_zip_seekable(a) < ARCHIVE_WARN ||
	    archive_read_support_format_tar(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_zstd(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
	    archive_read_set_read_callback(a, give) != ARCHIVE_OK ||
	    archive_read_set_seek_callback(a, seek) != ARCHIVE_OK ||
	    archive_read_set_skip_callback(a, skip) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, u) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(a));
	if (archive_read_open1(a) != ARCHIVE_OK)
		return refuse(u, e);
	return 0;
}

static int
bad(const struct unpacker *u, const char *why, struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %s %s", u->path, why);
}

/* True if the first component of the path is one that may occur: as a directory. */
static bool
top_allowed(const struct unpacker *u)
{
	size_t n = strcspn(u->path, "/");

	if (u->l->tops == NULL)
		return true;
	if (u->path[n] == '\0' && u->entry.type != 'd')
		return false;
	for (const char *const *top = u->l->tops; *top != NULL; top++)
		if (strlen(*top) == n && strncmp(*top, u->path, n) == 0)
			return true;
	return false;
}

/* Check the components of the path. */
static int
check_path(const struct unpacker *u, struct err *e)
{
	unsigned depth = 0;

	if (u->path[0] == '/')
		return bad(u, "has an absolute path", e);
	for (const char *p = u->path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n <= 2 && strncmp(p, "..", n) == 0))
			return bad(u, "has an empty, \".\" or \"..\" name in its path", e);
		if (n > NAME_MAX)
			return bad(u, "has a name of more than 255 bytes", e);
		if (++depth > u->l->depth)
			return bad(u, "lies too deep", e);
		p += n;
		if (*p == '\0')
			break;
	}
	if (!top_allowed(u))
		return bad(u, "belongs to no resource that was asked for", e);
	return 0;
}

/* Take over the path, without "./" in front (tar writes it) and '/' behind (directories).
 * 1, 0 for the top itself, -1. */
static int
take_path(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	const char *path = archive_entry_pathname(h);

	if (path == NULL || *path == '\0')
		return bad(u, "is followed by one without a usable name", e);
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	size_t n = strlen(path);
	if (u->entry.type == 'd' && n > 0 && path[n - 1] == '/')
		n--;
	if (u->entry.type == 'd' && (n == 0 || (n == 1 && *path == '.')) && path[0] != '/')
		return 0;
	(void)snprintf(u->path, sizeof u->path, "%.*s", (int)(n < TREE_PATH ? n : TREE_PATH), path);
	if (n > TREE_PATH)
		return bad(u, "has a path that is too long", e);
	return check_path(u, e) < 0 ? -1 : 1;
}

static int
take_link(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	const char *target = archive_entry_symlink(h), *inside = u->path;

	if (target == NULL || strlen(target) > TREE_PATH)
		return bad(u, "is a link without a usable target", e);
	if (u->l->tops != NULL)
		inside = strchr(u->path, '/') + 1;
	if (!tree_link_inside(inside, target))
		return bad(u, "is a link that leads out of its resource", e);
	strcpy(u->target, target);
	u->entry.target = u->target;
	u->entry.size = strlen(target);
	return 0;
}

/* Fill the entry from its header; 1, 0 if it is the top itself, -1. */
static int
take_header(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	static const struct {
		unsigned format;
		char type;
		mode_t mode; /* for writers that keep none */
	} types[] = {{AE_IFREG, 'f', 0644}, {AE_IFDIR, 'd', 0755}, {AE_IFLNK, 'l', 0777}};
	mode_t otherwise = 0;

	u->entry = (struct entry){.path = u->path, .type = '?'};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (archive_entry_filetype(h) == types[i].format) {
			u->entry.type = types[i].type;
			otherwise = types[i].mode;
		}
	}
	int status = take_path(u, h, e);
	if (status <= 0)
		return status;
	if (archive_entry_hardlink(h) != NULL)
		return bad(u, "is a hard link", e);
	if (u->entry.type == '?')
		return bad(u, "is neither a file nor a directory nor a link", e);
	if (archive_entry_is_encrypted(h))
		return bad(u, "is encrypted", e);
	u->entry.mode = archive_entry_perm(h) & 0777;
	if (u->entry.mode == 0)
		u->entry.mode = otherwise;
	int64_t seconds = archive_entry_mtime_is_set(h) ? archive_entry_mtime(h) : 0;
	if (seconds > INT64_MAX / 1000000000 - 1 || seconds < INT64_MIN / 1000000000 + 1)
		return bad(u, "has an impossible time", e);
	u->entry.mtime = seconds * 1000000000 + archive_entry_mtime_nsec(h);
	if (u->entry.type == 'l' && take_link(u, h, e) < 0)
		return -1;
	return 1;
}

static int
count_bytes(struct unpacker *u, uint64_t n, struct err *e)
{
	if (n > u->l->bytes - u->totals->bytes) {
		(void)err_set(e, ERR_WORKSPACE_TOO_LARGE,
			      "the archive unpacks to more than %llu bytes",
			      (unsigned long long)u->l->bytes);
		return err_hint(e, "raise AWCP_MAX_UNPACKED if that is right");
	}
	u->totals->bytes += n;
	return 0;
}

static void
hash_zeros(struct unpacker *u, uint64_t n)
{
	static const char zeros[4096];

	for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
		sha256_add(u->hash, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros);
}

static int
write_at(const struct unpacker *u, int fd, const char *p, size_t n, int64_t at, struct err *e)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(e, "cannot write %s", u->path);
		p += done;
		n -= (size_t)done;
		at += done;
	}
	return 0;
}

/* Take a piece of the content at offset ${at}; there may be a hole before it (sparse files). */
static int
take_piece(struct unpacker *u, int fd, const void *p, size_t n, int64_t at, struct err *e)
{
	if (at < 0 || (uint64_t)at < u->entry.size)
		return bad(u, "is out of order inside", e);
	uint64_t hole = (uint64_t)at - u->entry.size;
	if (count_bytes(u, hole, e) < 0 || count_bytes(u, n, e) < 0)
		return -1;
	if (u->hash != NULL) {
		hash_zeros(u, hole);
		sha256_add(u->hash, p, n);
	}
	if (fd >= 0 && write_at(u, fd, p, n, at, e) < 0)
		return -1;
	u->entry.size = (uint64_t)at + n;
	return 0;
}

/* Copy the content to ${fd} (-1: only look at it). */
static int
take_content(struct unpacker *u, int fd, struct err *e)
{
	const void *data;
	int64_t at = 0, written = 0;
	size_t n;
	int status;

	while ((status = archive_read_data_block(u->archive, &data, &n, &at)) == ARCHIVE_OK) {
		if (take_piece(u, fd, data, n, at, e) < 0)
			return -1;
		written = at + (int64_t)n;
	}
	if (status != ARCHIVE_EOF)
		return refuse(u, e);
	/* The end tells of a hole behind the last piece. */
	if (at > written && take_piece(u, fd, "", 0, at, e) < 0)
		return -1;
	if (fd >= 0 && at > written && ftruncate(fd, (off_t)at) < 0)
		return err_sys(e, "cannot write %s", u->path);
	return 0;
}

static int
take_file(struct unpacker *u, bool wanted, struct err *e)
{
	int fd = -1;

	u->totals->files++;
	if (!wanted && u->hash == NULL && u->creates)
		return archive_read_data_skip(u->archive) == ARCHIVE_OK ? 0 : refuse(u, e);
	if (u->hash != NULL)
		sha256_reset(u->hash);
	if (wanted && (fd = place_file(&u->place, &u->entry, e)) < 0)
		return -1;
	if (take_content(u, fd, e) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	if (u->hash != NULL)
		sha256_hex(u->hash, u->entry.sha256);
	return wanted ? place_file_end(&u->place, &u->entry, fd, e) : 0;
}

static int
take_entry(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	if (++u->entries > u->l->entries)
		return err_set(e, ERR_WORKSPACE_TOO_LARGE, "the archive has more than %llu entries",
			       (unsigned long long)u->l->entries);
	int status = take_header(u, h, e);
	if (status <= 0)
		return status;
	/* Set by libarchive for each entry of a ZIP; a stored one says so here. */
	const char *format = archive_format_name(u->archive);
	if (u->entry.type == 'f' && format != NULL && strncmp(format, "ZIP", 3) == 0 &&
	    strstr(format, "uncompressed") == NULL)
		u->totals->compressed = true;
	bool wanted = u->creates && (u->want == NULL || u->want(u->arg, u->path));
	if (u->entry.type == 'f')
		status = take_file(u, wanted, e);
	else if (!wanted)
		status = 0;
	else if (u->entry.type == 'd')
		status = place_directory(&u->place, &u->entry, e);
	else
		status = place_link(&u->place, &u->entry, e);
	if (status < 0)
		return -1;
	return u->manifest != NULL ? manifest_add(u->manifest, &u->entry, e) : 0;
}

/* A tar ends with blocks of zeros.  libarchive takes one without, so that a plain tar that was cut
 * off between two entries would seem whole. */
static int
check_end(struct unpacker *u, struct err *e)
{
	char block[512];

	if (archive_filter_code(u->archive, 0) != ARCHIVE_FILTER_NONE) {
		u->totals->compressed = true;
		return 0;
	}
	if ((archive_format(u->archive) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_TAR)
		return 0;
	ssize_t n = u->size < sizeof block
			? 0
			: pread(u->fd, block, sizeof block, (off_t)(u->size - sizeof block));
	for (ssize_t i = 0; i < n; i++)
		if (block[i] != 0)
			n = 0;
	if (n != sizeof block)
		return err_set(e, ERR_WORKSPACE_INVALID, "the archive ends early");
	return 0;
}

static int
take_all(struct unpacker *u, struct err *e)
{
	struct archive_entry *h;
	int status;

	/* A warning is about a name that is not what it claims to be, or worse. */
	while ((status = archive_read_next_header(u->archive, &h)) == ARCHIVE_OK)
		if (take_entry(u, h, e) < 0)
			return -1;
	if (status != ARCHIVE_EOF)
		return refuse(u, e);
	if (check_end(u, e) < 0 || (u->creates && place_finish(&u->place, e) < 0))
		return -1;
	return u->manifest != NULL ? manifest_finish(u->manifest, e) : 0;
}

static int
prepare(struct unpacker *u, int dirfd, int manifestfd, struct err *e)
{
	struct stat st;

	if (fstat(u->fd, &st) < 0)
		return err_sys(e, "cannot read the archive");
	u->size = (uint64_t)st.st_size;
	if ((u->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)) == (locale_t)0)
		return err_set(e, ERR_CONFIG, "the system has no locale C.UTF-8");
	u->before = uselocale(u->utf8);
	if ((u->in = malloc(IN)) == NULL)
		return err_memory(e);
	if (u->creates && place_open(&u->place, dirfd, e) < 0)
		return -1;
	if (manifestfd >= 0 && ((u->manifest = manifest_writer_new(manifestfd, e)) == NULL ||
				(u->hash = sha256_new(e)) == NULL))
		return -1;
	return open_archive(u, e);
}

static void
clean_up(struct unpacker *u)
{
	if (u->archive != NULL)
		(void)archive_read_free(u->archive);
	if (u->creates)
		place_close(&u->place);
	manifest_writer_free(u->manifest);
	sha256_free(u->hash);
	free(u->in);
	if (u->before != (locale_t)0)
		(void)uselocale(u->before);
	if (u->utf8 != (locale_t)0)
		freelocale(u->utf8);
}

int
unpack(int fd, int dirfd, const struct unpack_limits *l, bool (*want)(void *arg, const char *path),
       void *arg, int manifestfd, struct unpack_totals *totals, struct err *e)
{
	struct unpacker u = {
	    .fd = fd,
	    .l = l,
	    .totals = totals,
	    .creates = dirfd >= 0,
	    .place = {.parent = -1},
	    .want = want,
	    .arg = arg,
	};
	int status;

	*totals = (struct unpack_totals){0};
	if ((status = prepare(&u, dirfd, manifestfd, e)) == 0)
		status = take_all(&u, e);
	clean_up(&u);
	return status;
}
