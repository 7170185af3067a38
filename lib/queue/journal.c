#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define AHEAD 2 /* times what is to be kept is reserved on the disk at once */

void
queue_journal_open(struct queue_journal *j, int dirfd)
{
	*j = (struct queue_journal){.dirfd = dirfd, .last.fd = -1, .other.fd = -1};
}

void
queue_journal_close(struct queue_journal *j)
{
	file_close(j->last.fd);
	file_close(j->other.fd);
	j->last.fd = j->other.fd = -1;
}

static void
segment_name(uint64_t segment, char name[40])
{
	(void)snprintf(name, 40, "%08llu.ndjson", (unsigned long long)segment);
}

/* Have the segment of ${at} open, to be written with ${create}: 1 and *${fd}, 0 if there is none.
 */
static int
use_segment(struct queue_journal *j, uint64_t at, bool create, int *fd, struct err *e)
{
	struct queue_segment *s = create ? &j->last : &j->other;
	uint64_t number = at / QUEUE_SEGMENT;
	char name[40];

	if (j->last.fd >= 0 && j->last.number == number)
		s = &j->last;
	if (s->fd >= 0 && s->number == number) {
		*fd = s->fd;
		return 1;
	}
	segment_name(number, name);
	*fd =
	    openat(j->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
	if (*fd < 0 && !create && (errno == EROFS || errno == EACCES)) {
		*fd = openat(j->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		j->readonly = true;
	}
	if (*fd < 0 && errno == ENOENT)
		return 0;
	if (*fd < 0)
		return err_sys(e, "cannot open the journal %s", name);
	file_close(s->fd);
	*s = (struct queue_segment){*fd, number};
	return 1;
}

/* Have space for ${n} bytes at ${offset} and for ${keep} after them. */
static int
reserve_space(int fd, off_t offset, size_t n, size_t keep, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at the journal");
	if ((off_t)st.st_blocks * 512 >= offset + (off_t)(n + keep) ||
	    fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, (off_t)(n + AHEAD * keep)) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	err_sys(e, "no space for more work");
	return err_hint(e, "what runs can still end; free some space, then try again");
}

/* What is kept may be needed in the next segment. */
static int
reserve_next(const struct queue_journal *j, uint64_t end, size_t keep, struct err *e)
{
	struct queue_journal next = {.dirfd = j->dirfd, .last.fd = -1, .other.fd = -1};
	int fd;

	if (end % QUEUE_SEGMENT + keep <= QUEUE_SEGMENT)
		return 0;
	int status = use_segment(&next, (end / QUEUE_SEGMENT + 1) * QUEUE_SEGMENT, true, &fd, e);
	if (status == 1)
		status = reserve_space(fd, 0, 0, keep, e);
	queue_journal_close(&next);
	return status < 0 ? -1 : 0;
}

/* The segment that is left keeps no space for more, and is durable before the next one is. */
int
queue_journal_leave(struct queue_journal *j, uint64_t *end, struct err *e)
{
	uint64_t last = *end - 1;
	struct stat st;
	int fd, status = use_segment(j, last, false, &fd, e);

	if (status < 0)
		return -1;
	/* When it was written to last is known by its time. */
	if (status == 1 &&
	    (fstat(fd, &st) < 0 || ftruncate(fd, (off_t)(last % QUEUE_SEGMENT) + 1) < 0 ||
	     futimens(fd, (struct timespec[]){{.tv_nsec = UTIME_OMIT}, st.st_mtim}) < 0 ||
	     fdatasync(fd) < 0))
		return err_sys(e, "cannot end a journal");
	*end = (last / QUEUE_SEGMENT + 1) * QUEUE_SEGMENT;
	return 0;
}

int
queue_journal_append(struct queue_journal *j, const struct buf *lines, size_t keep, uint64_t *at,
		     uint64_t *end, struct err *e)
{
	const size_t n = lines->len;
	uint64_t address = *end;
	bool fresh = address % QUEUE_SEGMENT == 0;

	if (address % QUEUE_SEGMENT + n > QUEUE_SEGMENT) {
		if (queue_journal_leave(j, &address, e) < 0)
			return -1;
		fresh = true;
	}
	off_t offset = (off_t)(address % QUEUE_SEGMENT);
	int fd;
	if (use_segment(j, address, true, &fd, e) < 0 ||
	    (keep > 0 && (reserve_space(fd, offset, n, keep, e) < 0 ||
			  reserve_next(j, address + n, keep, e) < 0)))
		return -1;
	if (fresh && file_sync_dir(j->dirfd, e) < 0)
		return -1;
	for (size_t done = 0; done < n;) {
		ssize_t k = pwrite(fd, lines->data + done, n - done, offset + (off_t)done);
		if (k <= 0) {
			if (k == 0)
				errno = ENOSPC;
			err_sys(e, "cannot write the journal");
			if (ftruncate(fd, offset) < 0)
				errno = 0; /* the next writer cuts it */
			return -1;
		}
		done += (size_t)k;
	}
	*at = address;
	*end = address + n;
	return 0;
}

int
queue_journal_sync(struct queue_journal *j, uint64_t end, struct err *e)
{
	int fd, status = use_segment(j, end - 1, false, &fd, e);

	/* What is in the segments before it was made durable when they were left. */
	if (status == 1 && fdatasync(fd) < 0)
		return err_sys(e, "cannot make the journal durable");
	return status < 0 ? -1 : 0;
}

int
queue_journal_read(struct queue_journal *j, uint64_t at, struct buf *line, uint64_t *next,
		   struct err *e)
{
	char piece[4096];
	uint64_t length = 0;
	int fd;

	buf_clear(line);
	int status = use_segment(j, at, false, &fd, e);
	for (off_t offset = (off_t)(at % QUEUE_SEGMENT); status == 1;) {
		ssize_t n = pread(fd, piece, sizeof piece, offset);
		if (n < 0)
			return err_sys(e, "cannot read the journal");
		if (n == 0)
			return 0;
		char *newline = memchr(piece, '\n', (size_t)n);
		size_t take = newline != NULL ? (size_t)(newline - piece) : (size_t)n;
		length += take;
		if (length <= line->max && buf_add(line, piece, take, e) < 0)
			return -1;
		if (newline != NULL) {
			if (length > line->max)
				buf_clear(line);
			if (next != NULL)
				*next = at + length + 1;
			return 1;
		}
		offset += n;
	}
	return status;
}

int
queue_journal_cut(struct queue_journal *j, uint64_t end, struct err *e)
{
	struct stat st;
	off_t offset = (off_t)(end % QUEUE_SEGMENT);
	int fd, status = use_segment(j, end, false, &fd, e);

	if (status < 0)
		return -1;
	if (status == 0)
		return offset > 0;
	if (fstat(fd, &st) < 0 ||
	    (st.st_size > offset && !j->readonly && ftruncate(fd, offset) < 0))
		return err_sys(e, "cannot mend the journal");
	return st.st_size < offset;
}

int
queue_journal_time(struct queue_journal *j, uint64_t at, int64_t *ms, struct err *e)
{
	struct stat st;
	int fd, status = use_segment(j, at, false, &fd, e);

	*ms = 0;
	if (status <= 0)
		return status;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at the journal");
	*ms = clock_ms(st.st_mtim);
	return 0;
}

int
queue_journal_remove(struct queue_journal *j, uint64_t at, struct err *e)
{
	uint64_t number = at / QUEUE_SEGMENT;
	char name[40];

	if (j->other.fd >= 0 && j->other.number == number) {
		file_close(j->other.fd);
		j->other.fd = -1;
	}
	segment_name(number, name);
	if (unlinkat(j->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the journal %s", name);
	return 0;
}

int
queue_journal_oldest(const struct queue_journal *j, uint64_t *oldest, struct err *e)
{
	DIR *dir = file_list(j->dirfd, ".");
	const char *name;

	if (dir == NULL)
		return err_sys(e, "cannot read the journal");
	*oldest = 0;
	while ((name = file_next(&dir)) != NULL) {
		uint64_t n = strtoull(name, NULL, 10);
		if (n > 0 && (*oldest == 0 || n < *oldest))
			*oldest = n;
	}
	if (*oldest == 0)
		*oldest = QUEUE_FIRST_ADDRESS / QUEUE_SEGMENT;
	return 0;
}
