/*
 * unpack_content - the content of an archive's files, on its way out of libarchive.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/unpacker.h"

#define LIST_MAX (1 << 30)   /* bytes of a delta's list */
#define HOLE_MIN (32 * 1024) /* zeros in one piece that are not written */

int
unpacker_refuse(const struct unpacker *u, struct err *e)
{
	return source_refuse(&u->source, u->entries == 0 ? NULL : u->current.path, e);
}

static int
count_bytes(struct unpacker *u, uint64_t n, struct err *e)
{
	if (n > u->l->bytes - u->totals->bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE,
			"the archive unpacks to more than %llu bytes, at %.256s",
			(unsigned long long)u->l->bytes, u->current.path);
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
		(unsigned long long)u->l->ratio, u->current.path);
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
			return err_sys(e, "cannot write %s", u->current.path);
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
	if (at < 0 || (uint64_t)at < u->current.entry.size)
		return admit_refuse(&u->current, "is out of order inside", e);
	uint64_t hole = (uint64_t)at - u->current.entry.size;
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
	u->current.entry.size = (uint64_t)at + n;
	if (u->visits)
		return u->visitor->piece(u->visitor->arg, p, n, (uint64_t)at, e);
	return u->listed && u->current.entry.size > LIST_MAX
		   ? admit_refuse(&u->current, "is too large", e)
		   : 0;
}

int
unpacker_content(struct unpacker *u, int fd, struct err *e)
{
	const void *data;
	int64_t at = 0;
	size_t n;
	int status;

	u->written = 0;
	while ((status = archive_read_data_block(u->source.archive, &data, &n, &at)) == ARCHIVE_OK)
		if (take_piece(u, fd, data, n, at, e) < 0)
			return -1;
	if (status != ARCHIVE_EOF)
		return unpacker_refuse(u, e);
	/* The end may tell of a hole after the last piece. */
	if (at > (int64_t)u->current.entry.size && take_piece(u, fd, "", 0, at, e) < 0)
		return -1;
	int64_t size = (int64_t)u->current.entry.size;
	if (fd >= 0 && size > u->written && ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, "cannot write %s", u->current.path);
	return 0;
}
