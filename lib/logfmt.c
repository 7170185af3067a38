#include "logfmt.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "home.h"

#define VALUE 512 /* longest value */

static bool
is_plain(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			return false;
	return true;
}

/* Append " key=value" at ${n} if it fits whole; returns the new length. */
static size_t
add(char out[LOGFMT_LINE], size_t n, const char *key, const char *value)
{
	char text[2 * VALUE + 3];
	size_t m = 0;

	if (is_plain(value)) {
		(void)snprintf(text, sizeof text, "%.*s", VALUE, value);
	} else {
		text[m++] = '"';
		for (size_t i = 0; i < VALUE && value[i] != '\0'; i++) {
			char c = value[i];
			if (c == '"' || c == '\\')
				text[m++] = '\\';
			text[m++] = (char)((unsigned char)c < ' ' || c == 0x7f ? '?' : c);
		}
		text[m++] = '"';
		text[m] = '\0';
	}
	int added = snprintf(out + n, LOGFMT_LINE - 1 - n, "%s%s=%s", n > 0 ? " " : "", key, text);
	if (added > 0 && n + (size_t)added < LOGFMT_LINE - 1)
		return n + (size_t)added;
	out[n] = '\0';
	return n;
}

static size_t
render(char out[LOGFMT_LINE], const char *event, va_list ap)
{
	char now[CLOCK_TEXT];
	const char *key;

	size_t n = add(out, 0, "time", clock_format(clock_now(), now));
	n = add(out, n, "event", event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);
		if (value != NULL)
			n = add(out, n, key, value);
	}
	return n;
}

void
logfmt_render(char out[LOGFMT_LINE], const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	(void)render(out, event, ap);
	va_end(ap);
}

/* Set the full log aside, unless somebody else just did. */
static void
rotate(int dirfd, const char *file)
{
	char old[80];
	struct stat st;

	int lockfd = file_lock(dirfd, ".lock", true, NULL);
	if (lockfd < 0)
		return;
	(void)snprintf(old, sizeof old, "%s.1", file);
	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > LOGFMT_BYTES)
		(void)renameat(dirfd, file, dirfd, old); /* else it just goes on growing */
	file_close(lockfd);
}

static int
open_log(int dirfd, const char *file, struct err *e)
{
	int fd = openat(dirfd, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_sys(e, "cannot open log/%s", file) : fd;
}

int
logfmt_open(const char *name, struct err *e)
{
	char file[64];
	struct stat st;

	(void)snprintf(file, sizeof file, "%s.log", name);
	int dirfd = home_dir("log", e);
	int fd = dirfd < 0 ? -1 : open_log(dirfd, file, e);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > LOGFMT_BYTES) {
		file_close(fd);
		rotate(dirfd, file);
		fd = open_log(dirfd, file, e);
	}
	return fd;
}

void
logfmt_write(const char *name, const char *event, ...)
{
	char line[LOGFMT_LINE];
	va_list ap;

	int fd = logfmt_open(name, NULL);
	if (fd < 0)
		return;
	va_start(ap, event);
	size_t n = render(line, event, ap);
	va_end(ap);
	line[n++] = '\n';
	(void)file_write(fd, line, n, NULL);
	file_close(fd);
}
