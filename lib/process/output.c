#include "process/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "log/redact.h"

struct line {
	struct redact redact;
	size_t length;
	char text[OUTPUT_LINE + 1]; /* with room for the newline */
};

struct output {
	int logfd;
	bool owned;         /* the log is closed by output_free */
	uint64_t max, left; /* bytes of the log */
	bool full;
	struct line line[2];
	bool due;     /* progress holds a line that was not sent */
	int64_t sent; /* clock_steady of the last one that was; 0: none */
	char progress[OUTPUT_PROGRESS + 1];
	char complaint[512];
	struct tail {
		size_t length;
		char text[2 * OUTPUT_SUMMARY + 2]; /* clean lines, each with its newline */
	} tail[2];
};

struct output *
output_new(int logfd, uint64_t max, struct err *e)
{
	struct output *o = calloc(1, sizeof *o);

	if (o == NULL) {
		err_memory(e);
		return NULL;
	}
	o->logfd = logfd;
	o->max = o->left = max;
	o->full = logfd < 0;
	return o;
}

struct output *
output_create(int dirfd, const char *name, uint64_t max, struct err *e)
{
	int logfd = file_open_beneath(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, e);

	if (logfd < 0)
		return NULL;
	struct output *o = output_new(logfd, max, e);
	if (o == NULL)
		file_close(logfd);
	else
		o->owned = true;
	return o;
}

void
output_free(struct output *o)
{
	if (o != NULL && o->owned)
		file_close(o->logfd);
	free(o);
}

/* Copy as much of ${line} as fits. */
static void
copy_line(const char *line, char *out, size_t size)
{
	size_t n = strnlen(line, size - 1);

	memcpy(out, line, n);
	out[n] = '\0';
	if (line[n] != '\0')
		(void)text_trim(out, n);
}

int
output_log(const struct output *o)
{
	return o->full ? -1 : o->logfd;
}

void
output_cut(struct output *o, const char *why)
{
	char note[80];

	if (o->full)
		return;
	int length = snprintf(note, sizeof note, "[cut: %.60s]\n", why);
	(void)file_write(o->logfd, note, (size_t)length, NULL);
	o->full = true;
}

/* Add a line to the log, or the note that it is full. */
static void
log_line(struct output *o, char *p, size_t n)
{
	char why[80];

	if (o->full)
		return;
	if (n + 1 > o->left) {
		(void)snprintf(why, sizeof why, "the output was longer than %llu bytes",
			       (unsigned long long)o->max);
		output_cut(o, why);
		return;
	}
	o->left -= n + 1;
	/* The header says why a failure here is not the task's. */
	p[n] = '\n';
	if (file_write(o->logfd, p, n + 1, NULL) < 0)
		o->full = true;
}

/* Keep at least the last OUTPUT_SUMMARY bytes of whole lines. */
static void
add_to_tail(struct tail *t, const char *line)
{
	size_t n = strlen(line);

	if (t->length + n + 2 > sizeof t->text) {
		char *kept = t->text + (t->length - OUTPUT_SUMMARY);
		char *start = memchr(kept, '\n', OUTPUT_SUMMARY);
		start = start == NULL ? t->text + t->length : start + 1;
		t->length -= (size_t)(start - t->text);
		memmove(t->text, start, t->length);
	}
	memcpy(t->text + t->length, line, n);
	t->length += n;
	t->text[t->length++] = '\n';
	t->text[t->length] = '\0';
}

/* Process the ${n} bytes of a line, or of a piece of one. */
static void
process_line(struct output *o, enum output_stream from, size_t n)
{
	struct line *l = &o->line[from];
	char clean[OUTPUT_SUMMARY], next = l->text[n];

	log_line(o, l->text, n);
	l->text[n] = next;
	while (n > 0 && l->text[n - 1] == '\r')
		n--;
	const char *start = l->text, *overwritten = memrchr(l->text, '\r', n);
	if (overwritten != NULL) {
		n -= (size_t)(overwritten + 1 - start);
		start = overwritten + 1;
	}
	text_clean(start, n, clean, sizeof clean);
	add_to_tail(&o->tail[from], clean);
	if (text_is_blank(clean))
		return;
	if (from == OUTPUT_STDERR) {
		copy_line(clean, o->complaint, sizeof o->complaint);
	} else {
		copy_line(clean, o->progress, sizeof o->progress);
		o->due = true;
	}
}

/* The line of ${from} has ended, or (${ends} false) is as long as it may be, and is broken where no
 * secret is cut in two. */
static void
end_line(struct output *o, enum output_stream from, bool ends)
{
	struct line *l = &o->line[from];

	size_t n = redact_line(&l->redact, l->text, l->length, ends);
	size_t wait = ends ? 0 : redact_wait(&l->redact, l->text, n);
	process_line(o, from, n - wait);
	memmove(l->text, l->text + n - wait, wait);
	l->length = wait;
}

void
output_add(struct output *o, enum output_stream from, const char *p, size_t n)
{
	struct line *l = &o->line[from];

	while (n > 0) {
		const char *newline = memchr(p, '\n', n);
		size_t piece = newline == NULL ? n : (size_t)(newline - p);
		bool ends = newline != NULL;
		if (piece > OUTPUT_LINE - l->length) {
			piece = OUTPUT_LINE - l->length;
			ends = false;
		}
		memcpy(l->text + l->length, p, piece);
		l->length += piece;
		p += piece + ends;
		n -= piece + ends;
		if (ends || (l->length == OUTPUT_LINE && n > 0 && *p != '\n'))
			end_line(o, from, ends);
	}
}

void
output_end(struct output *o)
{
	for (int from = OUTPUT_STDOUT; from <= OUTPUT_STDERR; from++)
		if (o->line[from].length > 0)
			end_line(o, (enum output_stream)from, true);
}

const char *
output_progress(struct output *o, int64_t now, int *wait)
{
	*wait = -1;
	if (!o->due)
		return NULL;
	if (o->sent != 0 && now - o->sent < 1000 / OUTPUT_RATE) {
		*wait = (int)(1000 / OUTPUT_RATE - (now - o->sent));
		return NULL;
	}
	o->sent = now;
	o->due = false;
	return o->progress;
}

const char *
output_last(struct output *o, enum output_stream from)
{
	struct tail *t = &o->tail[from];
	char *start = t->text, *end = t->text + t->length;
	int lines = 0;

	while (end > start && strchr(" \t\n", end[-1]) != NULL)
		end--;
	*end = '\0';
	if ((size_t)(end - start) > OUTPUT_SUMMARY) {
		char *newline = memchr(end - OUTPUT_SUMMARY - 1, '\n', OUTPUT_SUMMARY);
		start = newline == NULL ? end - OUTPUT_SUMMARY : newline + 1;
	}
	for (char *p = end; p > start; p--)
		if (p[-1] == '\n' && ++lines == OUTPUT_SUMMARY_LINES)
			start = p;
	while (*start == '\n')
		start++;
	return start;
}

const char *
output_complaint(const struct output *o)
{
	return o->complaint;
}
