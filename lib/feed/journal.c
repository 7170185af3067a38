/*
 * A journal is a file that only grows.  A line is written with one write(2) by whoever holds the
 * lock of its subject.  A torn last line (a crash within the write) is ignored by readers and cut
 * off by the next writer.  Big bytes are never in a line: they lie in a file that it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "config/settings.h"
#include "feed/feed.h"
#include "state/space.h"
#include "wire/members.h"

#define NAME_MAX_BYTES (ID_MAX + sizeof FEED_JOURNAL + 1)

/* Move *${at} back to where the line that it is in begins. */
static int
find_line_start(int fd, off_t *at, struct err *e)
{
	char piece[4096];

	while (*at > 0) {
		size_t n = *at < (off_t)sizeof piece ? (size_t)*at : sizeof piece;
		if (pread(fd, piece, n, *at - (off_t)n) != (ssize_t)n)
			return err_sys(e, "cannot read a journal");
		const char *newline = memrchr(piece, '\n', n);
		if (newline != NULL) {
			*at -= (off_t)n - (newline - piece) - 1;
			break;
		}
		*at -= (off_t)n;
	}
	return 0;
}

/* Cut off a torn last line; *${end} is where the next one begins. */
static int
cut_torn_line(int fd, off_t *end, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at a journal");
	*end = st.st_size;
	if (find_line_start(fd, end, e) < 0)
		return -1;
	if (*end < st.st_size && ftruncate(fd, *end) < 0)
		return err_sys(e, "cannot mend a journal");
	return 0;
}

/* Read the line at ${r}->at into ${r}->line, without its newline.  Returns 1, 0 if there is none,
 * or -1. */
static int
read_journal_line(struct feed_reader *r, const char *name, struct err *e)
{
	char piece[4096];
	const char *newline = NULL;

	buf_clear(&r->line);
	for (off_t at = r->at.offset; newline == NULL;) {
		ssize_t n = pread(r->fd, piece, sizeof piece, at);
		if (n < 0)
			return err_sys(e, "cannot read %s", name);
		if (n == 0)
			return 0; /* torn, or not there yet */
		newline = memchr(piece, '\n', (size_t)n);
		size_t length = newline != NULL ? (size_t)(newline - piece) : (size_t)n;
		if (buf_add(&r->line, piece, length, e) < 0)
			return err_add(e, "%s", name);
		at += n;
	}
	return 1;
}

/* Does the line that ends before ${end} make ${entry} superfluous?  1, 0, or -1. */
static int
is_done(int fd, off_t end, const json_t *entry, struct err *e)
{
	struct feed_reader r = {.fd = fd, .at.offset = end - 1, .line = BUF_INIT(FEED_ENTRY)};
	json_t *last = NULL;
	struct err why;

	if (end == 0)
		return 0;
	if (find_line_start(fd, &r.at.offset, e) < 0)
		return -1;
	int n = read_journal_line(&r, FEED_JOURNAL, e);
	if (n > 0) {
		last = jsonx_parse_own(r.line.data, r.line.len, &why);
		n = last != NULL &&
		    (feed_is_last(last) || strcmp(event_type(last), event_type(entry)) == 0);
		if (last == NULL && why.code != ERR_BAD_MESSAGE)
			n = err_memory(e);
	}
	json_decref(last);
	buf_free(&r.line);
	return n;
}

/* May ${entry}, of ${n} bytes, come into the journal in ${dirfd}, which has ${size}?  What tells of
 * an end may always. */
static int
check_room(int dirfd, const json_t *entry, size_t n, off_t size, struct err *e)
{
	long long max;

	if (strcmp(event_type(entry), "status") != 0)
		return 0;
	if (setting_number(SETTING_MAX_EVENTS, &max, e) < 0)
		return -1;
	if (size + (off_t)n > max)
		return err_set(e, ERR_TOO_LARGE, FEED_JOURNAL " has more than %lld bytes", max);
	return space_for(dirfd, n, 0, e);
}

int
feed_append(int dirfd, const json_t *entry, bool once, bool durable, struct err *e)
{
	struct buf b = BUF_INIT(FEED_ENTRY);
	int status = -1, done = 0;
	off_t end;

	int fd =
	    openat(dirfd, FEED_JOURNAL, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "cannot open " FEED_JOURNAL);
	if (cut_torn_line(fd, &end, e) < 0)
		goto out;
	if (once)
		done = is_done(fd, end, entry, e);
	if (done != 0) {
		status = done < 0 ? -1 : 0;
		goto out;
	}
	if (jsonx_dump(entry, &b, e) < 0 || buf_add(&b, "\n", 1, e) < 0 ||
	    check_room(dirfd, entry, b.len, end, e) < 0)
		goto out;
	ssize_t n = write(fd, b.data, b.len);
	if (n >= 0 && n != (ssize_t)b.len) {
		errno = ENOSPC;
		n = -1;
	}
	if (n < 0 || (durable && fdatasync(fd) < 0))
		err_sys(e, "cannot write " FEED_JOURNAL);
	else
		status = 0;
out:
	buf_free(&b);
	file_close(fd);
	return status;
}

int
feed_restart(int dirfd, struct err *e)
{
	if (unlinkat(dirfd, FEED_JOURNAL, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot begin the journal anew");
	return 0;
}

static int
extent(const struct feed *f, struct feed_extent *now, struct err *e)
{
	char name[NAME_MAX_BYTES];
	struct statx st;

	int dirfd = home_dir(f->collection, e);
	if (dirfd < 0)
		return -1;
	(void)snprintf(name, sizeof name, "%s/" FEED_JOURNAL, f->subject);
	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME | STATX_SIZE, &st) < 0)
		return err_sys(e, "cannot look at %s", name);
	now->inode = st.stx_ino;
	now->born = (st.stx_mask & STATX_BTIME) != 0
			? (int64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec
			: 0;
	now->size = (off_t)st.stx_size;
	return 0;
}

static int
next(struct feed_reader *r, json_t **entry, struct err *e)
{
	char name[NAME_MAX_BYTES];

	(void)snprintf(name, sizeof name, "%s/" FEED_JOURNAL, r->feed.subject);
	if (r->fd < 0) {
		int dirfd = home_dir(r->feed.collection, e);
		if (dirfd < 0)
			return -1;
		r->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (r->fd < 0)
			return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", name);
	}
	int n = read_journal_line(r, name, e);
	if (n <= 0)
		return n;
	r->at.offset += (off_t)r->line.len + 1;
	r->at.seq++;
	if (entry == NULL)
		return 1;
	*entry = jsonx_parse_own(r->line.data, r->line.len, e);
	return *entry != NULL ? 1 : err_add(e, "%s, line %" PRIu64, name, r->at.seq);
}

static void
directory(const struct feed *f, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s/%s", home_path(), f->collection, f->subject);
}

const struct feed_kind feed_journal = {extent, next, directory, FEED_JOURNAL};
