/*
 * filter - which paths are part of the workspace.  See filter.h.
 */
#include "tree/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "tree/glob.h"

#define IGNORE_FILE ".awcpignore"
#define IGNORE_MAX (1024 * 1024) /* bytes of one such file */
#define PATTERN_MAX 4095         /* bytes of a pattern, and of a path */

struct rule {
	char *pattern;
	bool negated;   /* "!" */
	bool directory; /* a trailing slash */
	bool anchored;  /* a leading or inner slash: the whole path is matched, not the last name */
};

struct rules {
	struct rule *rule;
	size_t count, cap;
	size_t base; /* length of the directory's path, with its slash, that they are relative to */
};

struct filter {
	struct rules exclude, include;
	struct rules *levels; /* the .awcpignore of each directory entered */
	size_t depth, cap;
	size_t from; /* levels before this one do not count (filter_check) */
};

struct filter *
filter_new(struct err *e)
{
	struct filter *f = calloc(1, sizeof *f);

	if (f == NULL)
		err_memory(e);
	return f;
}

static void
clear(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->rule[i].pattern);
	free(r->rule);
	*r = (struct rules){0};
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	while (f->depth > 0)
		filter_leave(f);
	free(f->levels);
	clear(&f->exclude);
	clear(&f->include);
	free(f);
}

/* gitignore(5): trailing spaces go, unless a backslash quotes them. */
static size_t
without_trailing_spaces(const char *line, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\\' && i + 1 < n)
			end = ++i + 1;
		else if (line[i] != ' ')
			end = i + 1;
	}
	return end;
}

static int
add_rule(struct rules *r, const char *line, size_t n, struct err *e)
{
	struct rule rule = {0};

	struct rule *grown = array_grow(r->rule, r->count + 1, &r->cap, sizeof *grown, e);
	if (grown == NULL)
		return -1;
	r->rule = grown;
	if (n > 0 && *line == '!') {
		rule.negated = true;
		line++;
		n--;
	}
	if (n > 0 && line[n - 1] == '/') {
		rule.directory = true;
		n--;
	}
	rule.anchored = memchr(line, '/', n) != NULL;
	if (n > 0 && *line == '/') {
		line++;
		n--;
	}
	if ((rule.pattern = strndup(line, n)) == NULL)
		return err_memory(e);
	r->rule[r->count++] = rule;
	return 0;
}

/* One line of gitignore syntax; 0 also for one that says nothing. */
static int
add_line(struct rules *r, const char *line, size_t n, struct err *e)
{
	if (n > 0 && *line == '#')
		return 0;
	n = without_trailing_spaces(line, n);
	return n == 0 ? 0 : add_rule(r, line, n, e);
}

static int
add_pattern(struct rules *r, const char *pattern, struct err *e)
{
	size_t n = strlen(pattern), before = r->count;

	if (n > PATTERN_MAX)
		return err_set(e, ERR_USAGE, "a pattern is longer than %d bytes", PATTERN_MAX);
	if (add_line(r, pattern, n, e) < 0)
		return -1;
	if (r->count == before)
		return err_set(e, ERR_USAGE, "a pattern is empty");
	return 0;
}

int
filter_exclude(struct filter *f, const char *pattern, struct err *e)
{
	return add_pattern(&f->exclude, pattern, e);
}

int
filter_include(struct filter *f, const char *pattern, struct err *e)
{
	return add_pattern(&f->include, pattern, e);
}

static int
parse_rules(struct rules *r, const char *text, size_t n, struct err *e)
{
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	while (n > 0) {
		const char *newline = memchr(text, '\n', n);
		size_t length = newline != NULL ? (size_t)(newline - text) : n;
		size_t used = newline != NULL ? length + 1 : length;
		if (length > 0 && text[length - 1] == '\r')
			length--;
		if (length > PATTERN_MAX || memchr(text, '\0', length) != NULL)
			return err_set(e, ERR_WORKSPACE_INVALID,
				       "a line is longer than %d bytes or has a NUL", PATTERN_MAX);
		if (add_line(r, text, length, e) < 0)
			return -1;
		text += used;
		n -= used;
	}
	return 0;
}

/* A missing file says nothing; one that cannot be read must not let out what it would exclude. */
static int
read_level(struct rules *level, int dirfd, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(IGNORE_MAX);
	struct err why;
	int status = -1;

	if (file_slurp(dirfd, IGNORE_FILE, &text, &why) == 0)
		status = parse_rules(level, text.data, text.len, &why);
	else if (why.code == ERR_NOT_FOUND)
		status = 0;
	buf_free(&text);
	if (status < 0 && e != NULL) {
		*e = why;
		err_add(e, "%s%s%s", path, *path != '\0' ? "/" : "", IGNORE_FILE);
	}
	return status;
}

int
filter_enter(struct filter *f, int dirfd, const char *path, struct err *e)
{
	struct rules *levels = array_grow(f->levels, f->depth + 1, &f->cap, sizeof *levels, e);
	if (levels == NULL)
		return -1;
	f->levels = levels;
	struct rules *level = &f->levels[f->depth];
	*level = (struct rules){.base = *path == '\0' ? 0 : strlen(path) + 1};
	if (dirfd >= 0 && read_level(level, dirfd, path, e) < 0) {
		clear(level);
		return -1;
	}
	f->depth++;
	return 0;
}

void
filter_leave(struct filter *f)
{
	clear(&f->levels[--f->depth]);
}

static bool
matches(const struct rule *r, const char *path, bool is_dir)
{
	if (r->directory && !is_dir)
		return false;
	if (!r->anchored) {
		const char *slash = strrchr(path, '/');
		return glob_match(r->pattern, slash != NULL ? slash + 1 : path);
	}
	/* git compares what comes before the first special character, and takes the rest for a
	 * pattern of its own, in which "**" may be the first. */
	size_t plain = strcspn(r->pattern, "*?[\\");
	return strncmp(r->pattern, path, plain) == 0 &&
	       glob_match(r->pattern + plain, path + plain);
}

/* What the last rule that matches says: 1 yes, 0 no (negated), -1 if none matches. */
static int
decide(const struct rules *rules, const char *path, bool is_dir)
{
	for (size_t i = rules->count; i > 0; i--)
		if (matches(&rules->rule[i - 1], path + rules->base, is_dir))
			return !rules->rule[i - 1].negated;
	return -1;
}

/* The path itself, else the nearest directory above it that a pattern names, decides. */
static bool
is_included(const struct filter *f, const char *path)
{
	char part[PATTERN_MAX + 1], *slash;
	bool is_dir = false;
	int decision;

	if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
		return false;
	while ((decision = decide(&f->include, part, is_dir)) < 0 &&
	       (slash = strrchr(part, '/')) != NULL) {
		*slash = '\0';
		is_dir = true;
	}
	return decision == 1;
}

bool
filter_excludes(const struct filter *f, const char *path, bool is_dir)
{
	if (strcmp(path, ".awcp") == 0)
		return true;
	int decision = decide(&f->exclude, path, is_dir);
	for (size_t i = f->depth; decision < 0 && i > f->from; i--)
		decision = decide(&f->levels[i - 1], path, is_dir);
	if (decision == 1)
		return true;
	return f->include.count > 0 && !is_dir && !is_included(f, path);
}

/* Open the directory ${path} beneath ${rootfd}; -1 with ENOENT when there is none (any more). */
static int
open_directory(int rootfd, const char *path, struct err *e)
{
	int fd =
	    file_open_beneath(rootfd, *path != '\0' ? path : ".", O_RDONLY | O_DIRECTORY, 0, e);

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		errno = ENOENT;
	return fd;
}

static int
enter_at(struct filter *f, int rootfd, const char *path, struct err *e)
{
	int fd = open_directory(rootfd, path, e);

	if (fd < 0 && errno != ENOENT)
		return -1;
	int status = filter_enter(f, fd, path, e);
	file_close(fd);
	return status;
}

int
filter_check(struct filter *f, int rootfd, const char *path, bool is_dir, bool *excluded,
	     struct err *e)
{
	size_t from = f->from, depth = f->depth;
	char *part = strdup(path);
	int status = -1;

	if (part == NULL)
		return err_memory(e);
	*excluded = false;
	f->from = depth;
	if (enter_at(f, rootfd, "", e) < 0)
		goto out;
	for (char *slash = strchr(part, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		*excluded = filter_excludes(f, part, true);
		if (!*excluded && enter_at(f, rootfd, part, e) < 0)
			goto out;
		*slash = '/';
		if (*excluded)
			break;
	}
	if (!*excluded)
		*excluded = filter_excludes(f, path, is_dir);
	status = 0;
out:
	while (f->depth > depth)
		filter_leave(f);
	f->from = from;
	free(part);
	return status;
}
