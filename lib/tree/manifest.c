/*
 * manifest - writes a manifest.  See manifest.h.
 *
 * Sorting without memory: lines are collected in an arena; a full arena is sorted and appended to
 * the file as a run.  As long as entries come in order there is one run, which is the manifest.
 * Else, at the end, runs are merged, a handful at a time, to new runs at the end of the file, until
 * one is left, and that one is moved down to where the manifest begins.
 */
#include "base/array.h"
#include "tree/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lines.h"

#define HEAD "awcp-manifest 1\n"
#define HEAD_LENGTH (sizeof HEAD - 1)
#define TEXT_MAX (4 * TREE_PATH + 1) /* an escaped path or target */
#define LINE_LONGEST (2 * TEXT_MAX + 256)
#define ARENA (1024 * 1024)  /* bytes of lines that are sorted at once */
#define IN_ORDER (64 * 1024) /* bytes that are kept back when they need no sorting */
#define FAN_IN 16            /* runs merged at once */
#define OUT LINES_WINDOW     /* bytes on their way to the file; more than a line */

struct run {
	uint64_t at, end;
};

struct line {
	char *text;
	char *path; /* where in it the path begins */
};

struct manifest_writer {
	int fd;
	uint64_t end; /* of the file, with what is in out */
	char *out;    /* OUT bytes on their way to the file */
	size_t out_used;
	char *arena;
	size_t used;
	struct line *lines; /* in the arena */
	size_t line_count, line_cap;
	bool in_order; /* they are */
	struct run *runs;
	size_t run_count, run_cap;
	uint64_t count; /* lines in the last run */
	char *last;     /* the escaped path at its end */
	char last_type;
};

/* The next byte of an escaped path as its rank in the order of a walk; -1 at the end. */
static int
rank(const char **p)
{
	const char *s = *p;

	if (*s == '\0' || *s == '\t')
		return -1;
	if (*s == '\\') {
		*p += 4;
		return (int)(manifest_hex(s[2]) << 4 | manifest_hex(s[3]));
	}
	(*p)++;
	return *s == '/' ? 0 : (unsigned char)*s;
}

static int
order(const char *a, const char *b)
{
	int x, y;

	do {
		x = rank(&a);
		y = rank(&b);
	} while (x == y && x >= 0);
	return x - y;
}

static int
order_lines(const void *a, const void *b)
{
	return order(((const struct line *)a)->path, ((const struct line *)b)->path);
}

static char *
path_in(char *line)
{
	for (int i = 0; i < 7; i++)
		line = strchr(line, ' ') + 1;
	return line;
}

char *
manifest_escape(char *out, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c >= 0x20 && c != 0x7f && c != '\\') {
			*out++ = (char)c;
			continue;
		}
		*out++ = '\\';
		*out++ = 'x';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out = '\0';
	return out;
}

static int
write_out(struct manifest_writer *w, struct err *e)
{
	size_t done = 0;

	while (done < w->out_used) {
		ssize_t n = pwrite(w->fd, w->out + done, w->out_used - done,
				   (off_t)(w->end - w->out_used + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "cannot write the manifest");
		done += (size_t)n;
	}
	w->out_used = 0;
	return 0;
}

static int
put_bytes(struct manifest_writer *w, const char *p, size_t n, struct err *e)
{
	if (w->out_used + n > OUT && write_out(w, e) < 0)
		return -1;
	memcpy(w->out + w->out_used, p, n);
	w->out_used += n;
	w->end += n;
	return 0;
}

struct manifest_writer *
manifest_writer_new(int fd, struct err *e)
{
	struct manifest_writer *w = calloc(1, sizeof *w);

	if (w == NULL || (w->out = malloc(OUT)) == NULL || (w->arena = malloc(ARENA)) == NULL ||
	    (w->last = calloc(1, TEXT_MAX)) == NULL) {
		err_memory(e);
		goto err;
	}
	w->fd = fd;
	w->in_order = true;
	if (put_bytes(w, HEAD, HEAD_LENGTH, e) < 0)
		goto err;
	return w;
err:
	manifest_writer_free(w);
	return NULL;
}

void
manifest_writer_free(struct manifest_writer *w)
{
	if (w == NULL)
		return;
	free(w->out);
	free(w->arena);
	free(w->lines);
	free(w->runs);
	free(w->last);
	free(w);
}

static int
begin_run(struct manifest_writer *w, struct err *e)
{
	struct run *runs = array_grow(w->runs, w->run_count + 1, &w->run_cap, sizeof *runs, e);
	if (runs == NULL)
		return -1;
	w->runs = runs;
	w->runs[w->run_count++] = (struct run){w->end, w->end};
	w->count = 0;
	w->last_type = '\0';
	return 0;
}

/* Append ${line} to the last run.  Archives list directories as they like, so that one may come
 * twice; nothing else may. */
static int
put_line(struct manifest_writer *w, const char *line, const char *path, struct err *e)
{
	size_t n = strcspn(path, "\t");

	if (w->last_type != '\0' && order(w->last, path) == 0) {
		if (w->last_type == 'd' && *line == 'd')
			return 0;
		return err_set(e, ERR_WORKSPACE_INVALID, "%.*s is there twice", (int)n, path);
	}
	/* What lies below a directory comes right after it. */
	size_t last = strlen(w->last);
	if (w->last_type != '\0' && w->last_type != 'd' && n > last &&
	    memcmp(w->last, path, last) == 0 && path[last] == '/')
		return err_set(e, ERR_WORKSPACE_INVALID,
			       "%.*s lies below something that is not a directory", (int)n, path);
	memcpy(w->last, path, n);
	w->last[n] = '\0';
	w->last_type = *line;
	w->count++;
	if (put_bytes(w, line, strlen(line), e) < 0 || put_bytes(w, "\n", 1, e) < 0)
		return -1;
	w->runs[w->run_count - 1].end = w->end;
	return 0;
}

/* Move the lines from the arena to the last run if they go on from there, else to a new one. */
static int
empty_arena(struct manifest_writer *w, struct err *e)
{
	if (w->line_count == 0)
		return 0;
	if (!w->in_order)
		qsort(w->lines, w->line_count, sizeof *w->lines, order_lines);
	if (w->run_count == 0 || order(w->last, w->lines[0].path) > 0)
		if (begin_run(w, e) < 0)
			return -1;
	for (size_t i = 0; i < w->line_count; i++)
		if (put_line(w, w->lines[i].text, w->lines[i].path, e) < 0)
			return -1;
	w->used = w->line_count = 0;
	w->in_order = true;
	return 0;
}

int
manifest_add(struct manifest_writer *w, const struct entry *entry, struct err *e)
{
	if (w->used + LINE_LONGEST > (w->in_order ? IN_ORDER : ARENA) && empty_arena(w, e) < 0)
		return -1;
	struct line *lines =
	    array_grow(w->lines, w->line_count + 1, &w->line_cap, sizeof *lines, e);
	if (lines == NULL)
		return -1;
	w->lines = lines;
	struct line *l = &w->lines[w->line_count];
	l->text = w->arena + w->used;
	int n = sprintf(l->text, "%c%s %o %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu64 " %s ",
			entry->type, entry->unsent || entry->in_base ? "!" : "",
			(unsigned)entry->mode, entry->size, entry->mtime, entry->ctime,
			entry->inode, entry->sha256[0] != '\0' ? entry->sha256 : "-");
	l->path = l->text + n;
	char *end = manifest_escape(l->path, entry->path);
	if (entry->target != NULL) {
		*end++ = '\t';
		end = manifest_escape(end, entry->target);
	}
	w->used = (size_t)(end + 1 - w->arena);
	if (w->line_count > 0 && order(l[-1].path, l->path) > 0)
		w->in_order = false;
	w->line_count++;
	return 0;
}

static struct lines *
first_line(struct lines *in, size_t n)
{
	struct lines *found = NULL;

	for (size_t i = 0; i < n; i++)
		if (in[i].line != NULL &&
		    (found == NULL || order(path_in(in[i].line), path_in(found->line)) < 0))
			found = &in[i];
	return found;
}

/* Merge the first ${n} runs to a new one at the end. */
static int
merge(struct manifest_writer *w, size_t n, struct err *e)
{
	struct lines in[FAN_IN] = {{0}}, *from;
	int status = -1;

	for (size_t i = 0; i < n; i++)
		if (lines_open(&in[i], w->fd, w->runs[i].at, w->runs[i].end, e) < 0 ||
		    lines_next(&in[i], e) < 0)
			goto out;
	w->run_count -= n;
	memmove(w->runs, w->runs + n, w->run_count * sizeof *w->runs);
	if (begin_run(w, e) < 0)
		goto out;
	while ((from = first_line(in, n)) != NULL)
		if (put_line(w, from->line, path_in(from->line), e) < 0 || lines_next(from, e) < 0)
			goto out;
	status = write_out(w, e);
out:
	for (size_t i = 0; i < n; i++)
		lines_close(&in[i]);
	return status;
}

/* Move the only run that is left to the beginning, over those that were merged into it. */
static int
move_down(struct manifest_writer *w, struct err *e)
{
	struct run from = w->runs[0];

	w->end = HEAD_LENGTH;
	while (from.at < from.end) {
		size_t want = from.end - from.at < OUT ? (size_t)(from.end - from.at) : OUT;
		ssize_t n = pread(w->fd, w->out, want, (off_t)from.at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "cannot read the manifest");
		w->out_used = (size_t)n;
		w->end += (uint64_t)n;
		from.at += (uint64_t)n;
		if (write_out(w, e) < 0)
			return -1;
	}
	return 0;
}

int
manifest_finish(struct manifest_writer *w, struct err *e)
{
	char text[40];

	if (empty_arena(w, e) < 0 || write_out(w, e) < 0)
		return -1;
	bool merged = w->run_count > 1;
	while (w->run_count > 1)
		if (merge(w, w->run_count < FAN_IN ? w->run_count : FAN_IN, e) < 0)
			return -1;
	if (merged && move_down(w, e) < 0)
		return -1;
	int n = snprintf(text, sizeof text, "end %" PRIu64 "\n", w->run_count == 0 ? 0 : w->count);
	if (put_bytes(w, text, (size_t)n, e) < 0 || write_out(w, e) < 0)
		return -1;
	if (merged && ftruncate(w->fd, (off_t)w->end) < 0)
		return err_sys(e, "cannot write the manifest");
	return 0;
}
