/*
 * guard_git - what the configuration of the person's repository names.  See guard.h.
 *
 * git is not asked, which would cost more than all the rest of a comparison: the configuration of
 * the directory's own repository is read, not that of the person or the machine, and no others that
 * it includes; but those that it includes are guarded.
 */
#include "tree/guard.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define LINE 4096     /* bytes of a line that are looked at */
#define NAMES 1000000 /* bytes of all names */

/* Open the configuration of the repository that ${source} lies in, whose top has the first ${*top}
 * bytes of it; NULL if there is none. */
static FILE *
open_config(const char *source, size_t *top)
{
	char path[TREE_PATH + 16];

	for (*top = strlen(source);; (*top)--) {
		(void)snprintf(path, sizeof path, "%.*s/.git/config", (int)*top, source);
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
		if (f != NULL)
			return f;
		file_close(fd);
		while (*top > 0 && source[*top - 1] != '/')
			(*top)--;
		if (*top == 0)
			return NULL;
	}
}

/* Note ${word} if it can be a path in the directory, which is ${source} without its ${top} first
 * bytes and a slash. */
static int
note_word(struct buf *names, char *word, const char *source, size_t top, struct err *e)
{
	const char *lent = source[top] == '/' ? source + top + 1 : source + top;

	if (strncmp(word, source, top) == 0 && word[top] == '/')
		word += top + 1;
	while (strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0)
		word = strchr(word, '/') + 1;
	for (size_t n = strlen(word); n > 0 && word[n - 1] == '/';)
		word[--n] = '\0';
	if (*word == '\0' || *word == '/')
		return 0;
	const char *inside = tree_below(word, lent);
	if (inside == NULL && tree_below(lent, word) != NULL)
		inside = ""; /* it is around the directory */
	return inside == NULL ? 0 : buf_add(names, inside, strlen(inside) + 1, e);
}

/* Is the value of ${key} a path, or a program with or without one? */
static bool
is_path(const char *key)
{
	static const char *const keys[] = {"hookspath", "path", "attributesfile", "fsmonitor"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strncasecmp(key, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

/* Note what the line of the configuration names. */
static int
note_line(struct buf *names, char *line, const char *source, size_t top, struct err *e)
{
	char *rest = NULL, *key = line + strspn(line, " \t"), *value = strchr(key, '=');

	if (value == NULL || *key == '#' || *key == ';')
		return 0;
	bool path = is_path(key);
	for (char *word = strtok_r(value + 1, " \t\r\n\"'", &rest); word != NULL;
	     word = strtok_r(NULL, " \t\r\n\"'", &rest))
		if ((path || strchr(word, '/') != NULL) &&
		    note_word(names, word, source, top, e) < 0)
			return -1;
	return 0;
}

int
guard_git_names(const char *source, struct buf *names, struct err *e)
{
	char line[LINE];
	size_t top;
	int status = 0;

	*names = (struct buf)BUF_INIT(NAMES);
	FILE *f = open_config(source, &top);
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL)
		if ((status = note_line(names, line, source, top, e)) < 0)
			break;
	(void)fclose(f); /* it was only read */
	return status;
}

bool
guard_git_has(const struct buf *names, const char *path)
{
	for (size_t i = 0; i < names->len; i += strlen(names->data + i) + 1)
		if (tree_below(path, names->data + i) != NULL)
			return true;
	return false;
}
