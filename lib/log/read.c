#include "log/read.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/delivery.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "log/lifecycle.h"
#include "log/logfmt.h"
#include "base/watch.h"

#define LOGS 2

struct log {
	const char *name;
	int fd; /* of the file that is read, -1: none yet */
	off_t offset;
	size_t used, begin; /* bytes of text; where the next line begins */
	char *line;         /* the next line, or NULL */
	char text[4 * LOGFMT_LINE];
};

struct log_reader {
	int dirfd;
	struct watch *watch;
	struct log *last; /* whose line was returned */
	struct log log[LOGS];
};

struct log_reader *
log_read_open(struct err *e)
{
	static const char *const names[LOGS] = {LIFECYCLE_LOG, DELIVERY_LOG};
	char path[PATH_MAX];
	struct log_reader *r = calloc(1, sizeof *r);

	if (r == NULL) {
		err_memory(e);
		return NULL;
	}
	for (int i = 0; i < LOGS; i++) {
		r->log[i].name = names[i];
		r->log[i].fd = -1;
	}
	r->dirfd = home_dir("log", e);
	(void)snprintf(path, sizeof path, "%s/log", home_path());
	if (r->dirfd < 0 || (r->watch = watch_open(path, e)) == NULL) {
		log_read_close(r);
		return NULL;
	}
	return r;
}

void
log_read_close(struct log_reader *r)
{
	if (r == NULL)
		return;
	for (int i = 0; i < LOGS; i++)
		file_close(r->log[i].fd);
	watch_close(r->watch);
	free(r);
}

/* The name of the ${older}th rotated file; 0: of the newest file. */
static const char *
log_file_name(const struct log *l, int older, char name[80])
{
	if (older == 0)
		(void)snprintf(name, 80, "%s.log", l->name);
	else
		(void)snprintf(name, 80, "%s.log.%d", l->name, older);
	return name;
}

/* How old, in files, is the one that is read?  -1 if it is not there any more. */
static int
age(const struct log_reader *r, const struct log *l)
{
	struct stat mine, st;
	char name[80];

	for (int i = 0; fstat(l->fd, &mine) == 0 && i <= LOGFMT_KEEP; i++)
		if (fstatat(r->dirfd, log_file_name(l, i, name), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == mine.st_ino && st.st_dev == mine.st_dev)
			return i;
	return -1;
}

/* Go on with the oldest file that is at most ${oldest} old. */
static bool
begin_file(const struct log_reader *r, struct log *l, int oldest)
{
	char name[80];

	for (int i = oldest; i >= 0; i--) {
		int fd = openat(r->dirfd, log_file_name(l, i, name),
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			continue;
		file_close(l->fd);
		l->fd = fd;
		l->offset = 0;
		l->used = l->begin = 0;
		return true;
	}
	return false;
}

/* Read more of the file: true if there was more. */
static bool
read_more(struct log *l)
{
	memmove(l->text, l->text + l->begin, l->used - l->begin);
	l->used -= l->begin;
	l->begin = 0;
	if (l->used == sizeof l->text - 1)
		l->used = 0; /* no line is that long */
	ssize_t n = l->fd < 0
			? 0
			: pread(l->fd, l->text + l->used, sizeof l->text - 1 - l->used, l->offset);
	if (n <= 0)
		return false;
	l->used += (size_t)n;
	l->offset += n;
	return true;
}

/* Fetch the next line of ${l}, if there is one. */
static void
fetch_line(const struct log_reader *r, struct log *l)
{
	while (l->line == NULL) {
		char *newline = memchr(l->text + l->begin, '\n', l->used - l->begin);
		if (newline != NULL) {
			*newline = '\0';
			l->line = l->text + l->begin;
			l->begin = (size_t)(newline + 1 - l->text);
			return;
		}
		if (read_more(l))
			continue;
		if (l->fd < 0) {
			if (!begin_file(r, l, LOGFMT_KEEP))
				return;
			continue;
		}
		int old = age(r, l);
		if (old == 0)
			return;
		/* It was rotated; its last line may have come just before that. */
		if (read_more(l))
			continue;
		if (!begin_file(r, l, old < 0 ? LOGFMT_KEEP : old - 1))
			return;
	}
}

int
log_read_next(struct log_reader *r, const char **text, const char **log)
{
	struct log *first = NULL;

	if (r->last != NULL)
		r->last->line = NULL;
	r->last = NULL;
	for (int i = 0; i < LOGS; i++) {
		struct log *l = &r->log[i];
		fetch_line(r, l);
		/* They begin with the time, which sorts as text. */
		if (l->line != NULL && (first == NULL || strcmp(l->line, first->line) < 0))
			first = l;
	}
	if (first == NULL)
		return 0;
	r->last = first;
	*text = first->line;
	*log = first->name;
	return 1;
}

void
log_read_wait(struct log_reader *r)
{
	(void)watch_wait(r->watch, -1, WATCH_POLL_MS);
}

/* Copy the value at ${p}, which may be in quotes, to ${out}; returns what follows it. */
static const char *
parse_value(const char *p, char out[LOGFMT_LINE])
{
	bool quoted = *p == '"';
	size_t n = 0;

	for (p += quoted; *p != '\0' && *p != (quoted ? '"' : ' '); p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		if (n + 1 < LOGFMT_LINE)
			out[n++] = *p;
	}
	out[n] = '\0';
	p += quoted && *p == '"';
	return p + strspn(p, " ");
}

json_t *
log_read_parse(const char *text, const char *log)
{
	char key[64], value[LOGFMT_LINE];
	json_t *o = json_pack("{ss}", "log", log);

	while (o != NULL && *text != '\0') {
		size_t n = strcspn(text, "= ");
		if (n == 0 || n >= sizeof key || text[n] != '=') {
			json_decref(o);
			return NULL;
		}
		memcpy(key, text, n);
		key[n] = '\0';
		text = parse_value(text + n + 1, value);
		if (jsonx_set(o, key, value) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* Is ${id} a task between ${first} and ${last}, of one queue? */
static bool
is_between(const char *id, const char *first, const char *last)
{
	const char *dot = strrchr(first, '.'), *number = strrchr(id, '.');

	if (dot == NULL || number == NULL || number - id != dot - first ||
	    strncmp(id, first, (size_t)(dot - first) + 1) != 0 || strrchr(last, '.') == NULL)
		return false;
	unsigned long long n = strtoull(number + 1, NULL, 10);
	return n >= strtoull(dot + 1, NULL, 10) && n <= strtoull(strrchr(last, '.') + 1, NULL, 10);
}

bool
log_read_about(const json_t *line, const char *id, bool prefix)
{
	const char *first = jsonx_text(line, "id", ""), *last = jsonx_text(line, "last", NULL);

	return strcmp(first, id) == 0 || (prefix && strncmp(first, id, strlen(id)) == 0) ||
	       (last != NULL && is_between(id, first, last));
}
