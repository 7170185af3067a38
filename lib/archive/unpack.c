/*
 * unpack - takes an archive apart.  See unpack.h.
 *
 * Names must come out byte for byte as they went in, but libarchive, in a UTF-8 locale, composes
 * those that an archive says are UTF-8.  A tar is read in the C locale, where libarchive cannot
 * convert its names, warns, and hands them over as they are; so there a warning is no error.  A ZIP
 * is read in a UTF-8 locale, and does not get to say which names are UTF-8 (zip_marks.h).
 */
#include "archive/unpack.h"

#include <archive.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/settings.h"
#include "archive/pack.h"
#include "archive/unpacker.h"
#include "base/file.h"
#include "base/pathset.h"

#define EMPTY_ZIP 22 /* bytes of a ZIP without entries and comment */

/* For archives of ours, which were checked when they arrived. */
static const struct unpack_limits unlimited = {
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

/* True if the archive begins with the ${n} bytes at ${magic}. */
static bool
begins_with(const struct unpacker *u, const char *magic, size_t n)
{
	char head[EMPTY_ZIP];

	return pread(u->fd, head, n, 0) == (ssize_t)n && memcmp(head, magic, n) == 0;
}

/* Hand the file out, if it is wanted. */
static int
visit_file(struct unpacker *u, uint64_t size, struct err *e)
{
	const struct unpack_visitor *v = u->visitor;
	int wanted = v == NULL ? 0 : v->begin(v->arg, &u->current.entry, size, e);

	if (wanted < 0)
		return -1;
	u->visits = wanted > 0;
	int status = unpacker_content(u, -1, e);
	u->visits = false;
	if (status < 0)
		return -1;
	return wanted ? v->end(v->arg, &u->current.entry, e) : 0;
}

static int
skip_file(struct unpacker *u, struct err *e)
{
	return archive_read_data_skip(u->source.archive) == ARCHIVE_OK ? 0 : unpacker_refuse(u, e);
}

/* Write the file to where the taker has it. */
static int
hand_file(struct unpacker *u, struct err *e)
{
	const struct unpack_taker *k = u->taker;
	int fd = k->open(k->arg, &u->current.entry, e);

	if (fd < 0)
		return fd == UNPACK_UNWANTED ? skip_file(u, e) : -1;
	if (unpacker_content(u, fd, e) < 0) {
		(void)close(fd);
		return -1;
	}
	return k->end(k->arg, &u->current.entry, fd, e);
}

/* Create the file, if it is wanted. */
static int
create_file(struct unpacker *u, bool wanted, struct err *e)
{
	int fd = -1;

	if (!wanted && u->hasher == NULL)
		return skip_file(u, e);
	if (wanted && (fd = extract_file(&u->extract, &u->current.entry, e)) < 0)
		return -1;
	if (unpacker_content(u, fd, e) < 0) {
		file_close(fd);
		return -1;
	}
	return wanted ? extract_file_end(&u->current.entry, fd, e) : 0;
}

/* Take the list of a delta: 1, 0 if this is another entry, -1. */
static int
take_delta_list(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	const char *path = archive_entry_pathname(h);

	if (u->listed)
		return admit_refuse(&u->current, "is not the last one", e);
	if (u->listfd < 0 || path == NULL || strcmp(path, PACK_LIST) != 0)
		return 0;
	u->current.entry = (struct entry){.path = strcpy(u->current.path, PACK_LIST), .type = 'f'};
	if (archive_entry_filetype(h) != AE_IFREG || archive_entry_hardlink(h) != NULL)
		return admit_refuse(&u->current, "is not a file", e);
	u->listed = true;
	return unpacker_content(u, u->listfd, e) < 0 ? -1 : 1;
}

static int
take_one_entry(struct unpacker *u, struct archive_entry *h, struct err *e)
{
	if (++u->entries > u->l->entries)
		return err_set(e, ERR_WORKSPACE_TOO_LARGE, "the archive has more than %llu entries",
			       (unsigned long long)u->l->entries);
	if (interrupt_check(&u->l->interrupt, e) < 0)
		return -1;
	int status = take_delta_list(u, h, e);
	if (status != 0)
		return status < 0 ? -1 : 0;
	status = admit_take(&u->current, h, e);
	if (status <= 0)
		return status;
	u->current.entry.mode &= ~u->l->mask;
	if (u->source.is_zip && u->current.entry.type == 'f' &&
	    strstr(archive_format_name(u->source.archive), "uncompressed") == NULL)
		u->totals->compressed = true;
	bool wanted = u->creates && (u->paths == NULL || pathset_has(u->paths, u->current.path));
	u->totals->files += u->current.entry.type == 'f';
	if (u->current.entry.type == 'f' && u->taker != NULL)
		status = hand_file(u, e);
	else if (u->current.entry.type == 'f' && !u->creates)
		status = visit_file(u, (uint64_t)archive_entry_size(h), e);
	else if (u->current.entry.type == 'f')
		status = create_file(u, wanted, e);
	else if (!wanted)
		status = 0;
	else if (u->current.entry.type == 'd')
		status = extract_directory(&u->extract, &u->current.entry, e);
	else
		status = extract_link(&u->extract, &u->current.entry, e);
	if (status < 0)
		return -1;
	const struct entry *entry = &u->current.entry;
	return u->hasher != NULL ? hasher_entry(u->hasher, entry, entry->type == 'f', e) : 0;
}

static int
take_entries(struct unpacker *u, struct err *e)
{
	struct archive_entry *h;
	int more = 0;

	while (!u->nothing &&
	       (more = source_next(&u->source, &h, u->entries > 0 ? u->current.path : NULL, e)) > 0)
		if (take_one_entry(u, h, e) < 0)
			return -1;
	if (more < 0)
		return -1;
	if (u->listfd >= 0 && !u->listed)
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "the archive has no list of what is there");
	u->totals->compressed |= u->source.filter != NULL;
	if (u->creates && extract_finish(&u->extract, e) < 0)
		return -1;
	return u->hasher != NULL ? hasher_finish(u->hasher, e) : 0;
}

static int
open_source(struct unpacker *u, struct err *e)
{
	static const char nothing[EMPTY_ZIP] = "PK\5\6";

	u->nothing = u->size == EMPTY_ZIP && begins_with(u, nothing, sizeof nothing);
	return u->nothing ? 0 : source_open(&u->source, u->fd, u->size, e);
}

static int
run_unpacker(struct unpacker *u, const struct tree *t, int dirfd, struct err *e)
{
	struct stat st;
	int status = -1;

	*u->totals = (struct unpack_totals){0};
	if (fstat(t->archivefd, &st) < 0)
		return err_sys(e, "cannot read the archive");
	u->fd = t->archivefd;
	u->size = (uint64_t)st.st_size;
	u->current.limits = u->l;
	u->extract.parent = -1;
	u->creates = dirfd >= 0;
	if (begins_with(u, "PK", 2))
		u->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (u->locale == (locale_t)0)
		u->locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	if (u->locale == (locale_t)0)
		return err_memory(e);
	u->previous = uselocale(u->locale);
	if (u->creates && extract_open(&u->extract, dirfd, u->l->owner, e) < 0)
		goto out;
	if (t->manifestfd >= 0 && (u->hasher = hasher_new(t->manifestfd, e)) == NULL)
		goto out;
	if (open_source(u, e) < 0)
		goto out;
	status = take_entries(u, e);
out:
	source_close(&u->source);
	if (u->creates)
		extract_close(&u->extract);
	hasher_free(u->hasher);
	uselocale(u->previous);
	freelocale(u->locale);
	return status;
}

int
unpack(const struct tree *t, int dirfd, const struct unpack_limits *l, struct unpack_totals *totals,
       struct err *e)
{
	struct unpacker u = {.l = l, .totals = totals, .listfd = -1};

	return run_unpacker(&u, t, dirfd, e);
}

int
unpack_paths(int archivefd, int dirfd, struct pathset *paths, struct err *e)
{
	const struct tree t = {.manifestfd = -1, .archivefd = archivefd};
	struct unpack_totals totals;
	struct unpacker u = {.l = &unlimited, .totals = &totals, .paths = paths, .listfd = -1};

	return run_unpacker(&u, &t, dirfd, e);
}

int
unpack_take(int archivefd, const struct unpack_taker *k, struct err *e)
{
	const struct tree t = {.manifestfd = -1, .archivefd = archivefd};
	struct unpack_totals totals;
	struct unpacker u = {.l = &unlimited, .totals = &totals, .taker = k, .listfd = -1};

	return run_unpacker(&u, &t, -1, e);
}

int
unpack_visit(const struct tree *t, const struct unpack_limits *l, const struct unpack_visitor *v,
	     int listfd, struct unpack_totals *totals, struct err *e)
{
	struct unpacker u = {
	    .l = l != NULL ? l : &unlimited, .totals = totals, .visitor = v, .listfd = listfd};

	return run_unpacker(&u, t, -1, e);
}
