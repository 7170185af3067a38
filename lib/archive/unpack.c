/*
 * Names must come out byte for byte as they went in, but libarchive, in a UTF-8 locale, composes
 * those that an archive says are UTF-8.  A tar is read in the C locale, where libarchive cannot
 * convert its names, warns, and hands them over as they are; so there a warning is no error.  What
 * a ZIP tells of an entry is not asked of libarchive at all (zip_source.h).
 */
#include "archive/unpack.h"

#include <archive.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/settings.h"
#include "archive/admit.h"
#include "archive/pack.h"
#include "archive/extract.h"
#include "archive/hasher.h"
#include "archive/tar_source.h"
#include "archive/zip_source.h"

#define LIST_MAX (1 << 30)   /* bytes of a delta's list */
#define HOLE_MIN (32 * 1024) /* zeros in one piece that are not written */
#define EMPTY_ZIP 22         /* bytes of a ZIP without entries and comment */

struct unpacker {
	int fd;
	uint64_t size; /* of the archive */
	bool nothing;  /* it is a ZIP of nothing but its end record: libarchive knows no such */
	struct zip_source *zip; /* what is read, one of these two */
	struct tar_source *tar;
	struct err why; /* what it has said, if it did */
	const struct unpack_limits *l;
	struct unpack_totals *totals;
	uint64_t entries;
	int64_t written;  /* how far the file at hand is, without a hole at its end */
	uint64_t content; /* bytes of files, without holes */
	struct archive *archive;
	struct extract place;
	bool (*want)(void *arg, const char *path);
	void *arg;
	bool creates;                         /* there is a directory to unpack to */
	const struct unpack_visitor *visitor; /* or NULL */
	int listfd;                           /* for the list of a delta, or -1 */
	bool visits;                          /* the visitor takes the file at hand */
	bool listed;                          /* it was there: nothing may follow */
	struct hasher *hasher;                /* of the manifest, or NULL */
	struct admit in_hand;                 /* the entry being unpacked */
	locale_t locale, before;
};

const struct unpack_limits unpack_unlimited = {
    .entries = UINT64_MAX, .bytes = UINT64_MAX, .depth = TREE_PATH};

int
unpack_limits(struct unpack_limits *l, struct err *e)
{
	long long bytes, entries, ratio;

	if (setting_number(SETTING_MAX_UNPACKED, &bytes, e) < 0 ||
	    setting_number(SETTING_MAX_ENTRIES, &entries, e) < 0 ||
	    setting_number(SETTING_MAX_RATIO, &ratio, e) < 0)
		return -1;
	*l = (struct unpack_limits){.entries = (uint64_t)entries,
				    .bytes = (uint64_t)bytes,
				    .ratio = (uint64_t)ratio,
				    .depth = (TREE_PATH + 1) / 2};
	return 0;
}

static ssize_t
give(struct archive *a, void *arg, const void **data)
{
	struct unpacker *u = arg;

	ssize_t n = u->zip != NULL ? zip_source_next(u->zip, data, &u->why)
				   : tar_source_next(u->tar, data, &u->why);
	if (n < 0)
		archive_set_error(a, EINVAL, "cannot read");
	return n;
}

static int64_t
skip(struct archive *a, void *arg, int64_t n)
{
	struct unpacker *u = arg;

	(void)a;
	if (n < 0)
		return 0;
	return (int64_t)(u->zip != NULL ? zip_source_skip(u->zip, (uint64_t)n)
					: tar_source_skip(u->tar, (uint64_t)n));
}

/* True if the archive begins with the ${n} bytes at ${magic}. */
static bool
begins_with(const struct unpacker *u, const char *magic, size_t n)
{
	char head[EMPTY_ZIP];

	return pread(u->fd, head, n, 0) == (ssize_t)n && memcmp(head, magic, n) == 0;
}

/* The archive is to blame: say at which entry. */
static int
refuse(const struct unpacker *u, struct err *e)
{
	const char *why = archive_error_string(u->archive);

	if (u->why.code != ERR_NONE) {
		*e = u->why;
		return -1;
	}
	if (u->entries == 0)
		return err_set(e, ERR_WORKSPACE_INVALID, "this is no archive that we can read: %s",
			       why != NULL ? why : "it is empty");
	return err_set(e, ERR_WORKSPACE_INVALID, "cannot read the archive at %.256s: %s",
		       u->in_hand.path, why != NULL ? why : "it is damaged");
}

static int
open_archive(struct unpacker *u, struct err *e)
{
	struct archive *a = u->archive = archive_read_new();

	if (a == NULL)
		return err_memory(e);
	int format = u->zip != NULL ? archive_read_support_format_zip_streamable(a)
				    : archive_read_support_format_tar(a);
	if (format < ARCHIVE_WARN || archive_read_set_read_callback(a, give) != ARCHIVE_OK ||
	    archive_read_set_skip_callback(a, skip) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, u) != ARCHIVE_OK)
		return err_set(e, ERR_INTERNAL, "libarchive: %s", archive_error_string(a));
	if (archive_read_open1(a) != ARCHIVE_OK)
		return refuse(u, e);
	return 0;
}

static int
count_bytes(struct unpacker *u, uint64_t n, struct err *e)
{
	if (n > u->l->bytes - u->totals->bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE,
			"the archive unpacks to more than %llu bytes, at %.256s",
			(unsigned long long)u->l->bytes, u->in_hand.path);
		return err_hint(e, "raise AWCP_MAX_UNPACKED if that is right");
	}
	u->totals->bytes += n;
	return 0;
}

/* Bytes that come out of the compression and are not few must not be too many for what went in.
 * A hole in a sparse file does not count: it costs no disk. */
static int
count_content(struct unpacker *u, uint64_t n, struct err *e)
{
	u->content += n;
	if (u->l->ratio == 0 || u->content <= UNPACK_ANY_RATIO ||
	    u->content / u->l->ratio <= u->size)
		return count_bytes(u, n, e);
	err_set(e, ERR_WORKSPACE_TOO_LARGE,
		"the archive unpacks to more than %llu times its size, at %.256s",
		(unsigned long long)u->l->ratio, u->in_hand.path);
	return err_hint(e, "raise AWCP_MAX_RATIO if that is right");
}

static int
write_at(const struct unpacker *u, int fd, const char *p, size_t n, int64_t at, struct err *e)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(e, "cannot write %s", u->in_hand.path);
		p += done;
		n -= (size_t)done;
		at += done;
	}
	return 0;
}

/* Many zeros, and nothing else, become a hole. */
static bool
is_hole(const char *p, size_t n)
{
	return n >= HOLE_MIN && *p == '\0' && memcmp(p, p + 1, n - 1) == 0;
}

/* Take a piece of the content at offset ${at}; there may be a hole before it (sparse files). */
static int
take_piece(struct unpacker *u, int fd, const void *p, size_t n, int64_t at, struct err *e)
{
	if (at < 0 || (uint64_t)at < u->in_hand.entry.size)
		return admit_refuse(&u->in_hand, "is out of order inside", e);
	uint64_t hole = (uint64_t)at - u->in_hand.entry.size;
	if (interrupt_check(&u->l->interrupt, e) < 0 || count_bytes(u, hole, e) < 0 ||
	    count_content(u, n, e) < 0)
		return -1;
	if (u->hasher != NULL && !u->listed &&
	    ((hole > 0 && hasher_zeros(u->hasher, hole, e) < 0) ||
	     hasher_data(u->hasher, p, n, e) < 0))
		return -1;
	if (fd >= 0 && n > 0 && !is_hole(p, n)) {
		if (write_at(u, fd, p, n, at, e) < 0)
			return -1;
		u->written = at + (int64_t)n;
	}
	u->in_hand.entry.size = (uint64_t)at + n;
	if (u->visits)
		return u->visitor->piece(u->visitor->arg, p, n, (uint64_t)at, e);
	return u->listed && u->in_hand.entry.size > LIST_MAX
		   ? admit_refuse(&u->in_hand, "is too large", e)
		   : 0;
}

/* Copy the content to ${fd} (-1: only look at it). */
static int
take_content(struct unpacker *u, int fd, struct err *e)
{
	const void *data;
	int64_t at = 0;
	size_t n;
	int status;

	u->written = 0;
	while ((status = archive_read_data_block(u->archive, &data, &n, &at)) == ARCHIVE_OK)
		if (take_piece(u, fd, data, n, at, e) < 0)
			return -1;
	if (status != ARCHIVE_EOF)
		return refuse(u, e);
	/* The end tells of a hole behind the last piece. */
	if (at > (int64_t)u->in_hand.entry.size && take_piece(u, fd, "", 0, at, e) < 0)
		return -1;
	int64_t size = (int64_t)u->in_hand.entry.size;
	if (fd >= 0 && size > u->written && ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, "cannot write %s", u->in_hand.path);
	return 0;
}

/* Hand the file out, if it is wanted. */
static int
show_file(struct unpacker *u, uint64_t size, struct err *e)
{
	const struct unpack_visitor *v = u->visitor;
	int wanted = v == NULL ? 0 : v->begin(v->arg, &u->in_hand.entry, size, e);

	if (wanted < 0)
		return -1;
	u->visits = wanted > 0;
	int status = take_content(u, -1, e);
	u->visits = false;
	if (status < 0)
		return -1;
	return wanted ? v->end(v->arg, &u->in_hand.entry, e) : 0;
}

/* Create the file, if it is wanted. */
static int
take_file(struct unpacker *u, bool wanted, struct err *e)
{
	int fd = -1;

	if (!wanted && u->hasher == NULL)
		return archive_read_data_skip(u->archive) == ARCHIVE_OK ? 0 : refuse(u, e);
	if (wanted && (fd = extract_file(&u->place, &u->in_hand.entry, e)) < 0)
		return -1;
	if (take_content(u, fd, e) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return wanted ? extract_file_end(&u->in_hand.entry, fd, e) : 0;
}

/* Take the list of a delta: 1, 0 if this is another entry, -1. */
static int
take_list(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	const char *path = archive_entry_pathname(h);

	if (u->listed)
		return admit_refuse(&u->in_hand, "is not the last one", e);
	if (u->listfd < 0 || path == NULL || strcmp(path, PACK_LIST) != 0)
		return 0;
	u->in_hand.entry = (struct entry){.path = strcpy(u->in_hand.path, PACK_LIST), .type = 'f'};
	if (archive_entry_filetype(h) != AE_IFREG || archive_entry_hardlink(h) != NULL)
		return admit_refuse(&u->in_hand, "is no file", e);
	u->listed = true;
	return take_content(u, u->listfd, e) < 0 ? -1 : 1;
}

/* Put into ${h} what the ZIP says of the entry: to libarchive it is a file without a name. */
static int
take_told(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	static const struct {
		char type;
		unsigned format;
	} types[] = {{'f', AE_IFREG}, {'d', AE_IFDIR}, {'l', AE_IFLNK}};
	const struct zip_record *r = zip_source_entry(u->zip);
	char path[TREE_PATH + 2], target[TREE_PATH + 1];

	memcpy(path, r->name, r->name_length);
	path[r->name_length] = '\0';
	/* DOS's own writers put '\' between names. */
	if (r->system == 0 && strchr(path, '/') == NULL)
		for (char *p = path; (p = strchr(p, '\\')) != NULL;)
			*p = '/';
	archive_entry_copy_pathname(h, path);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].type == r->type)
			archive_entry_set_filetype(h, types[i].format);
	archive_entry_set_perm(h, r->mode);
	if (r->type != 'l')
		return 0;
	ssize_t n = archive_read_data(u->archive, target, sizeof target);
	if (n < 0)
		return refuse(u, e);
	/* Without one it is refused. */
	if ((size_t)n < sizeof target && memchr(target, '\0', (size_t)n) == NULL) {
		target[n] = '\0';
		archive_entry_copy_symlink(h, target);
	}
	return 0;
}

static int
take_entry(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	if (++u->entries > u->l->entries)
		return err_set(e, ERR_WORKSPACE_TOO_LARGE, "the archive has more than %llu entries",
			       (unsigned long long)u->l->entries);
	if (interrupt_check(&u->l->interrupt, e) < 0)
		return -1;
	if (u->zip != NULL && take_told(u, h, e) < 0)
		return -1;
	int status = take_list(u, h, e);
	if (status != 0)
		return status < 0 ? -1 : 0;
	status = admit_take(&u->in_hand, h, e);
	if (status <= 0)
		return status;
	if (u->zip != NULL && u->in_hand.entry.type == 'f' && zip_source_entry(u->zip)->method != 0)
		u->totals->compressed = true;
	bool wanted = u->creates && (u->want == NULL || u->want(u->arg, u->in_hand.path));
	u->totals->files += u->in_hand.entry.type == 'f';
	if (u->in_hand.entry.type == 'f' && !u->creates)
		status = show_file(u, (uint64_t)archive_entry_size(h), e);
	else if (u->in_hand.entry.type == 'f')
		status = take_file(u, wanted, e);
	else if (!wanted)
		status = 0;
	else if (u->in_hand.entry.type == 'd')
		status = extract_directory(&u->place, &u->in_hand.entry, e);
	else
		status = extract_link(&u->place, &u->in_hand.entry, e);
	if (status < 0)
		return -1;
	const struct entry *entry = &u->in_hand.entry;
	return u->hasher != NULL ? hasher_entry(u->hasher, entry, entry->type == 'f', e) : 0;
}

static int
take_all(struct unpacker *u, struct err *e)
{
	struct archive_entry *h;
	int status = ARCHIVE_EOF;

	/* In a ZIP a warning is about a name that is not what it claims to be, or worse. */
	while (!u->nothing && ((status = archive_read_next_header(u->archive, &h)) == ARCHIVE_OK ||
			       (status == ARCHIVE_WARN && u->tar != NULL)))
		if (take_entry(u, h, e) < 0)
			return -1;
	if (status != ARCHIVE_EOF)
		return refuse(u, e);
	if (u->listfd >= 0 && !u->listed)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "the archive has no list of what is there");
	if (u->tar != NULL) {
		u->totals->compressed = tar_source_compressed(u->tar);
		if (tar_source_finish(u->tar, e) < 0)
			return -1;
	}
	if (u->creates && extract_finish(&u->place, e) < 0)
		return -1;
	return u->hasher != NULL ? hasher_finish(u->hasher, e) : 0;
}

static int
prepare(struct unpacker *u, int dirfd, int manifestfd, struct err *e)
{
	static const char nothing[EMPTY_ZIP] = "PK\5\6";
	struct stat st;

	if (fstat(u->fd, &st) < 0)
		return err_sys(e, "cannot read the archive");
	u->size = (uint64_t)st.st_size;
	u->locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	if (u->locale == (locale_t)0)
		return err_memory(e);
	u->before = uselocale(u->locale);
	if (u->creates && extract_open(&u->place, dirfd, e) < 0)
		return -1;
	if (manifestfd >= 0 && (u->hasher = hasher_new(manifestfd, e)) == NULL)
		return -1;
	u->nothing = u->size == EMPTY_ZIP && begins_with(u, nothing, sizeof nothing);
	if (u->nothing)
		return 0;
	if (begins_with(u, "PK", 2)
		? (u->zip = zip_source_open(u->fd, u->size, u->l->entries, e)) == NULL
		: (u->tar = tar_source_open(u->fd, u->size, e)) == NULL)
		return -1;
	return open_archive(u, e);
}

static void
clean_up(struct unpacker *u)
{
	if (u->archive != NULL)
		(void)archive_read_free(u->archive);
	tar_source_close(u->tar);
	zip_source_close(u->zip);
	if (u->creates)
		extract_close(&u->place);
	hasher_free(u->hasher);
	if (u->before != (locale_t)0)
		(void)uselocale(u->before);
	if (u->locale != (locale_t)0)
		freelocale(u->locale);
}

static int
run(struct unpacker *u, int dirfd, int manifestfd, struct err *e)
{
	u->in_hand.limits = u->l;
	u->creates = dirfd >= 0;
	u->place.parent = -1;
	*u->totals = (struct unpack_totals){0};
	int status = prepare(u, dirfd, manifestfd, e);
	if (status == 0)
		status = take_all(u, e);
	clean_up(u);
	return status;
}

int
unpack(int fd, int dirfd, const struct unpack_limits *l, bool (*want)(void *arg, const char *path),
       void *arg, int manifestfd, struct unpack_totals *totals, struct err *e)
{
	struct unpacker u = {
	    .fd = fd, .l = l, .totals = totals, .want = want, .arg = arg, .listfd = -1};

	return run(&u, dirfd, manifestfd, e);
}

int
unpack_visit(int fd, const struct unpack_limits *l, const struct unpack_visitor *v, int manifestfd,
	     int listfd, struct unpack_totals *totals, struct err *e)
{
	struct unpacker u = {.fd = fd, .l = l, .totals = totals, .visitor = v, .listfd = listfd};

	return run(&u, -1, manifestfd, e);
}
