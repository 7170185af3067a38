#include "base/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
lines_open(struct lines *l, int fd, uint64_t at, uint64_t end, struct err *e)
{
	*l = (struct lines){.fd = fd, .at = at, .end = end, .data = malloc(LINES_WINDOW)};
	return l->data == NULL ? err_memory(e) : 0;
}

void
lines_close(struct lines *l)
{
	free(l->data);
	l->data = NULL;
}

static int
fill_window(struct lines *l, struct err *e)
{
	size_t space = LINES_WINDOW - l->to;

	if (space > l->end - l->at)
		space = (size_t)(l->end - l->at);
	ssize_t n = space == 0 ? 0 : pread(l->fd, l->data + l->to, space, (off_t)l->at);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0)
		return err_sys(e, "cannot read");
	if (n == 0)
		return err_set(e, ERR_BAD_DATA, "the last line is torn, or too long");
	l->at += (uint64_t)n;
	l->to += (size_t)n;
	return 0;
}

int
lines_next(struct lines *l, struct err *e)
{
	char *newline;

	l->line = NULL;
	if (l->from == l->to && l->at == l->end)
		return 0;
	while ((newline = memchr(l->data + l->from, '\n', l->to - l->from)) == NULL) {
		memmove(l->data, l->data + l->from, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
		if (fill_window(l, e) < 0)
			return -1;
	}
	*newline = '\0';
	l->line = l->data + l->from;
	l->from = (size_t)(newline + 1 - l->data);
	return 0;
}
