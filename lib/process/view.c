#include "process/view.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"

static void
add(struct view *v, const struct view_mark *m)
{
	struct view_mark *more =
	    v->failed ? NULL : array_grow(v->mark, v->count + 1, &v->cap, sizeof *more, NULL);

	if (more == NULL) {
		v->failed = true;
		return;
	}
	v->mark = more;
	struct view_mark *to = &v->mark[v->count];
	*to = *m;
	to->path = strdup(m->path);
	to->source = m->source == NULL ? NULL : strdup(m->source);
	v->failed |= to->path == NULL || (m->source != NULL && to->source == NULL);
	v->count++;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void
view_hide(struct view *v, const char *path)
{
	/* bwrap does not follow links out of its new root */
	char *real = realpath(path, NULL);

	if (real == NULL)
		return;
	if (strcmp(real, "/") != 0)
		add(v, &(struct view_mark){VIEW_HIDDEN, is_directory(real), real, NULL, false});
	free(real);
}

void
view_scratch(struct view *v, const char *path)
{
	add(v, &(struct view_mark){VIEW_SCRATCH, true, (char *)(uintptr_t)path, NULL, false});
}

void
view_show(struct view *v, const char *path, bool any)
{
	struct stat st;

	char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
	if (real == NULL)
		return;
	if (stat(real, &st) == 0 && (any || S_ISREG(st.st_mode))) {
		struct view_mark m = {VIEW_SHOWN, S_ISDIR(st.st_mode), real, real, false};
		add(v, &m);
		m.path = (char *)(uintptr_t)path;
		if (strcmp(path, real) != 0)
			add(v, &m); /* under the name that the task knows */
	}
	free(real);
}

void
view_open_way(struct view *v, const char *path, uid_t account)
{
	struct stat st;

	char *real = account == 0 ? NULL : realpath(path, NULL);
	if (real == NULL)
		return;
	for (size_t n = 1, length = strlen(real); n <= length; n++) {
		char end = real[n];
		if (end != '/' && end != '\0')
			continue;
		real[n] = '\0';
		if (stat(real, &st) < 0)
			break;
		if (S_ISDIR(st.st_mode) && (st.st_mode & S_IXOTH) == 0 && st.st_uid != account) {
			view_hide(v, real);
			break;
		}
		real[n] = end;
	}
	free(real);
}

/* Does ${name} at the top belong to the system?  Only who installs programs writes there. */
static bool
is_system(const char *name)
{
	return strncmp(name, "lib", 3) == 0 ||
	       text_lists("bin/sbin/usr/etc/opt/nix/gnu/dev/sys/proc", "/", name);
}

/* Hide the sockets that have a path now. */
static void
hide_bound_sockets(struct view *v)
{
	char line[PATH_MAX + 256];
	struct stat st;
	int at;

	FILE *list = fopen("/proc/net/unix", "re");
	if (list == NULL)
		return;
	while (fgets(line, sizeof line, list) != NULL) {
		at = 0;
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %n", &at) < 0 || at == 0 ||
		    line[at] != '/')
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (stat(line + at, &st) == 0 && S_ISSOCK(st.st_mode))
			view_hide(v, line + at);
	}
	(void)fclose(list);
}

void
view_hide_sockets(struct view *v)
{
	char path[NAME_MAX + 2];
	struct stat st;

	DIR *top = opendir("/");
	for (const char *name; (name = file_next(&top)) != NULL;) {
		(void)snprintf(path, sizeof path, "/%s", name);
		/* A link leads to what is hidden under its own name, or belongs to the system. */
		if (!is_system(name) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			view_hide(v, path);
	}
	hide_bound_sockets(v);
}

static bool
is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* In order of path; of the same path that which decides first. */
static int
compare(const void *a, const void *b)
{
	const struct view_mark *one = a, *other = b;
	int order = strcmp(one->path, other->path);

	return order != 0 ? order : (int)one->kind - (int)other->kind;
}

/* The nearest of the first ${n} marks above ${path}, or NULL. */
static const struct view_mark *
nearest(const struct view *v, size_t n, const char *path)
{
	while (n-- > 0)
		if (!v->mark[n].needless && is_below(path, v->mark[n].path))
			return &v->mark[n];
	return NULL;
}

/* Does mark ${i} change nothing, after those before it? */
static bool
is_needless(const struct view *v, size_t i)
{
	const struct view_mark *m = &v->mark[i];

	if (i > 0 && strcmp(v->mark[i - 1].path, m->path) == 0)
		return true;
	const struct view_mark *above = nearest(v, i, m->path);
	if (m->kind == VIEW_SHOWN)
		return above == NULL || above->kind == VIEW_SHOWN;
	return m->kind == VIEW_HIDDEN && above != NULL && above->kind == VIEW_HIDDEN;
}

static void
free_mark(struct view_mark *m)
{
	free(m->path);
	free(m->source);
}

void
view_settle(struct view *v)
{
	size_t kept = 0;

	if (v->failed || v->count == 0)
		return;
	qsort(v->mark, v->count, sizeof *v->mark, compare);
	for (size_t i = 0; i < v->count; i++)
		v->mark[i].needless = is_needless(v, i);
	for (size_t i = 0; i < v->count; i++)
		if (v->mark[i].needless)
			free_mark(&v->mark[i]);
		else
			v->mark[kept++] = v->mark[i];
	v->count = kept;
}

void
view_free(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		free_mark(&v->mark[i]);
	free(v->mark);
	*v = (struct view)VIEW_INIT;
}
