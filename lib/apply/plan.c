/*
 * plan - the steps of an apply, as a file.  See plan.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "apply/plan.h"
#include "tree/manifest.h"

#define HEAD "awcp-plan 2 "
#define OLD_HEAD "awcp-plan 1\n"
#define WINDOW (128 * 1024)
#define LINE_LONGEST (2 * 4 * TREE_PATH + 512)

struct plan_writer {
	int fd;
	uint64_t count;
	struct buf text;
};

struct plan {
	int fd;
	size_t head; /* bytes of the first line */
	char token[PLAN_TOKEN + 1];
	off_t size;
	uint64_t count; /* steps, as its end says */
	off_t at;       /* the place between two lines */
	off_t start;    /* what the window shows */
	size_t have;
	struct plan_step step;
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1];
	char window[WINDOW];
};

bool
plan_is_staged(const struct plan_step *step)
{
	return step->kind == PLAN_ADD || step->kind == PLAN_CHANGE || step->kind == PLAN_MARKED;
}

bool
plan_is_last(const struct plan_step *step)
{
	return step->kind == PLAN_TIMES && step->after.type == 'd';
}

struct plan_writer *
plan_writer_new(int fd, const char *token, struct err *e)
{
	struct plan_writer *w = calloc(1, sizeof *w);

	if (w == NULL) {
		err_memory(e);
		return NULL;
	}
	w->fd = fd;
	w->text = (struct buf)BUF_INIT(WINDOW);
	if (buf_printf(&w->text, e, HEAD "%s\n", token) < 0) {
		plan_writer_free(w);
		return NULL;
	}
	return w;
}

void
plan_writer_free(struct plan_writer *w)
{
	if (w == NULL)
		return;
	buf_free(&w->text);
	free(w);
}

static int
put_escaped(struct buf *b, const char *s, struct err *e)
{
	char text[4 * TREE_PATH + 1];

	return buf_add(b, text, (size_t)(manifest_escape(text, s) - text), e);
}

static int
flush_steps(struct plan_writer *w, struct err *e)
{
	if (w->text.len > 0 && file_write(w->fd, w->text.data, w->text.len, e) < 0)
		return err_add(e, "the plan");
	buf_clear(&w->text);
	return 0;
}

int
plan_copy(struct plan_writer *w, const struct plan_step *s, struct err *e)
{
	const struct entry *a = &s->after, *b = &s->before;

	w->count++;
	if (w->text.len > WINDOW - LINE_LONGEST && flush_steps(w, e) < 0)
		return -1;
	if (buf_printf(&w->text, e,
		       "%" PRIu64 " %c %zu %c %o %" PRIu64 " %" PRId64 " %s %c %o %" PRIu64
		       " %" PRId64 " %" PRId64 " %" PRIu64 " ",
		       s->number, s->kind, s->holder, a->type ? a->type : '-', (unsigned)a->mode,
		       a->size, a->mtime, a->sha256[0] ? a->sha256 : "-", b->type ? b->type : '-',
		       (unsigned)b->mode, b->size, b->mtime, b->ctime, b->inode) ||
	    put_escaped(&w->text, s->path, e) < 0)
		return -1;
	if (a->target &&
	    (buf_add(&w->text, "\t", 1, e) < 0 || put_escaped(&w->text, a->target, e) < 0))
		return -1;
	return buf_add(&w->text, "\n", 1, e);
}

int
plan_add(struct plan_writer *w, struct plan_step *s, struct err *e)
{
	s->number = w->count + 1;
	return plan_copy(w, s, e);
}

int
plan_finish(struct plan_writer *w, struct err *e)
{
	if (buf_printf(&w->text, e, "end %" PRIu64 "\n", w->count))
		return -1;
	return flush_steps(w, e);
}

static int
bad(struct err *e)
{
	return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
}

/* Show the part of the file that begins at ${start}. */
static int
read_window(struct plan *p, off_t start, struct err *e)
{
	p->start = start;
	p->have = 0;
	while (p->have < WINDOW) {
		ssize_t n =
		    pread(p->fd, p->window + p->have, WINDOW - p->have, start + (off_t)p->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read the plan");
		if (n == 0)
			break;
		p->have += (size_t)n;
	}
	return 0;
}

/* Read the first line, which the window shows. */
static int
read_head(struct plan *p, struct err *e)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = strlen(HEAD);

	if (p->have >= strlen(OLD_HEAD) && memcmp(p->window, OLD_HEAD, strlen(OLD_HEAD)) == 0) {
		p->head = strlen(OLD_HEAD);
		return 0;
	}
	if (p->have < n + PLAN_TOKEN + 1 || memcmp(p->window, HEAD, n) != 0 ||
	    p->window[n + PLAN_TOKEN] != '\n')
		return bad(e);
	memcpy(p->token, p->window + n, PLAN_TOKEN);
	p->head = n + PLAN_TOKEN + 1;
	return strspn(p->token, hex) == PLAN_TOKEN ? 0 : bad(e);
}

const char *
plan_token(const struct plan *p)
{
	return p->token;
}

struct plan *
plan_open(int fd, struct err *e)
{
	struct stat st;
	struct plan *p = calloc(1, sizeof *p);

	if (!p) {
		err_memory(e);
		return NULL;
	}
	p->fd = fd;
	if (fstat(fd, &st)) {
		err_sys(e, "cannot read the plan");
		goto err0;
	}
	p->size = st.st_size;
	if (read_window(p, 0, e) < 0)
		goto err0;
	if (read_head(p, e) < 0)
		goto err0;
	plan_rewind(p);
	return p;
err0:
	plan_close(p);
	return NULL;
}

void
plan_close(struct plan *p)
{
	free(p);
}

void
plan_rewind(struct plan *p)
{
	p->at = (off_t)p->head;
}

/* Take the line of ${n} bytes at ${line} apart. */
static int
parse_step(struct plan *p, const char *line, size_t n, struct err *e)
{
	struct plan_step *s = &p->step;
	struct entry *a = &s->after, *b = &s->before;
	char head[512], hash[65];
	unsigned mode_after, mode_before;
	int used = 0;

	*s = (struct plan_step){.path = p->path};
	/* sscanf(3) may look for the end of its string: give it a short one. */
	size_t short_n = n < sizeof head - 1 ? n : sizeof head - 1;
	memcpy(head, line, short_n);
	head[short_n] = '\0';
	const char *line_rest = head;
	if (sscanf(head, "%" SCNu64 " %c%n", &s->number, &s->kind, &used) != 2)
		return bad(e);
	line_rest += used;
	if (p->token[0] != '\0') {
		if (sscanf(line_rest, " %zu%n", &s->holder, &used) != 1)
			return bad(e);
		line_rest += used;
	}
	if (sscanf(line_rest,
		   " %c %o %" SCNu64 " %" SCNd64 " %64s %c %o %" SCNu64 " %" SCNd64 " %" SCNd64
		   " %" SCNu64 "%n",
		   &a->type, &mode_after, &a->size, &a->mtime, hash, &b->type, &mode_before,
		   &b->size, &b->mtime, &b->ctime, &b->inode, &used) != 11 ||
	    line_rest[used] != ' ')
		return bad(e);
	used += (int)(line_rest - head);
	a->mode = mode_after;
	b->mode = mode_before;
	if (strcmp(hash, "-") != 0)
		memcpy(a->sha256, hash, sizeof hash);
	const char *path = line + used + 1;
	size_t rest = n - (size_t)used - 1;
	const char *tab = memchr(path, '\t', rest);
	size_t length = tab ? (size_t)(tab - path) : rest;
	if (manifest_unescape(p->path, path, path + length) < 0)
		return bad(e);
	if (tab && manifest_unescape(p->target, tab + 1, path + rest) < 0)
		return bad(e);
	a->target = tab ? p->target : NULL;
	return s->holder <= strlen(p->path) ? 0 : bad(e);
}

int
plan_next(struct plan *p, struct plan_step **step, struct err *e)
{
	for (int tries = 0; tries < 2; tries++) {
		if (p->at >= p->start && p->at < p->start + (off_t)p->have) {
			size_t from = (size_t)(p->at - p->start);
			char *line = p->window + from;
			char *end = memchr(line, '\n', p->have - from);
			if (end && strncmp(line, "end ", 4) == 0)
				return 0;
			if (end) {
				p->at += end - line + 1;
				*step = &p->step;
				return parse_step(p, line, (size_t)(end - line), e) ? -1 : 1;
			}
		}
		if (read_window(p, p->at, e) < 0)
			return -1;
	}
	return bad(e);
}

/* Go to the beginning of the line that ends at this place and return its length, without its
 * newline; 0 if there is none. */
static int
step_back(struct plan *p, char **line, size_t *length, struct err *e)
{
	if (p->at <= (off_t)p->head)
		return 0;
	bool whole = p->start == 0 || p->at - LINE_LONGEST >= p->start;
	bool shown = whole && p->at > p->start && p->at <= p->start + (off_t)p->have;
	if (!shown && read_window(p, p->at > WINDOW ? p->at - WINDOW : 0, e) < 0)
		return -1;
	if (p->at > p->start + (off_t)p->have)
		return bad(e);
	size_t end = (size_t)(p->at - p->start) - 1, from = end;
	if (p->window[end] != '\n')
		return bad(e);
	while (from > 0 && p->window[from - 1] != '\n')
		from--;
	p->at = p->start + (off_t)from;
	*line = p->window + from;
	*length = end - from;
	return 1;
}

int
plan_to_end(struct plan *p, struct err *e)
{
	char *line = NULL;
	size_t length = 0;

	p->at = p->size;
	int n = step_back(p, &line, &length, e);
	if (n < 0)
		return -1;
	if (n != 1 || length <= 4 || strncmp(line, "end ", 4) != 0)
		return bad(e);
	p->count = strtoull(line + 4, NULL, 10);
	return 0;
}

uint64_t
plan_count(const struct plan *p)
{
	return p->count;
}

off_t
plan_tell(const struct plan *p)
{
	return p->at;
}

void
plan_seek(struct plan *p, off_t place)
{
	p->at = place;
}

int
plan_previous(struct plan *p, struct plan_step **step, struct err *e)
{
	char *line = NULL;
	size_t length = 0;
	int n = step_back(p, &line, &length, e);

	if (n <= 0)
		return n;
	if (line == NULL)
		return bad(e);
	*step = &p->step;
	return parse_step(p, line, length, e) ? -1 : 1;
}
