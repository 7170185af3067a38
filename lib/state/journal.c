#include "state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonx.h"

/* Cut a torn last line off, so that the next one begins where it should. */
static int
cut_torn_line(int fd, struct err *e)
{
	char tail[4096];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at a journal");
	off_t end = st.st_size;
	while (end > 0) {
		size_t n = end < (off_t)sizeof tail ? (size_t)end : sizeof tail;
		if (pread(fd, tail, n, end - (off_t)n) != (ssize_t)n)
			return err_sys(e, "cannot read a journal");
		char *newline = memrchr(tail, '\n', n);
		if (newline != NULL) {
			end -= (off_t)n - (newline - tail) - 1;
			break;
		}
		end -= (off_t)n;
	}
	if (end < st.st_size && ftruncate(fd, end) < 0)
		return err_sys(e, "cannot mend a journal");
	return 0;
}

int
journal_append(int dirfd, const char *name, const json_t *o, bool durable, struct err *e)
{
	struct buf b = BUF_INIT(JOURNAL_LINE);
	int status = -1;

	int fd = openat(dirfd, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "cannot open %s", name);
	if (jsonx_dump(o, &b, e) < 0 || buf_add(&b, "\n", 1, e) < 0 || cut_torn_line(fd, e) < 0)
		goto out;
	ssize_t n = write(fd, b.data, b.len);
	if (n != (ssize_t)b.len) {
		if (n >= 0)
			errno = ENOSPC;
		err_sys(e, "cannot write %s", name);
		goto out;
	}
	if (durable && fdatasync(fd) < 0) {
		err_sys(e, "cannot write %s", name);
		goto out;
	}
	status = 0;
out:
	buf_free(&b);
	file_close(fd);
	return status;
}

void
journal_open(struct journal *j)
{
	*j = (struct journal){.fd = -1, .line = BUF_INIT(JOURNAL_LINE)};
}

int
journal_next(struct journal *j, int dirfd, const char *name, struct err *e)
{
	char piece[4096];

	if (j->fd < 0) {
		j->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (j->fd < 0)
			return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", name);
	}
	buf_clear(&j->line);
	for (off_t at = j->offset;;) {
		ssize_t n = pread(j->fd, piece, sizeof piece, at);
		if (n < 0)
			return err_sys(e, "cannot read %s", name);
		if (n == 0)
			return 0; /* torn, or not there yet */
		char *newline = memchr(piece, '\n', (size_t)n);
		size_t take = newline != NULL ? (size_t)(newline - piece) : (size_t)n;
		if (buf_add(&j->line, piece, take, e) < 0)
			return err_add(e, "%s", name);
		if (newline != NULL)
			break;
		at += n;
	}
	j->offset += (off_t)j->line.len + 1;
	j->seq++;
	return 1;
}

void
journal_close(struct journal *j)
{
	file_close(j->fd);
	j->fd = -1;
	buf_free(&j->line);
}

int
journal_last(int dirfd, const char *name, json_t **o, struct err *e)
{
	struct journal j;
	int n;

	*o = NULL;
	journal_open(&j);
	while ((n = journal_next(&j, dirfd, name, e)) > 0) {
		json_decref(*o);
		*o = jsonx_parse(j.line.data, j.line.len, NULL);
	}
	journal_close(&j);
	return n;
}
