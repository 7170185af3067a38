#include "log/syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"
#include "log/redact.h"

#define MAX_VALUE 512    /* longest value */
#define MAX_SCANNED 2048 /* bytes of a value that are searched for secrets */
#define MAX_OPEN 4       /* logs that are kept open */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	char name[32];
	int fd;
	dev_t device;
	ino_t inode;
} open_logs[MAX_OPEN];

const char *
logfmt_elsewhere(void)
{
	const char *to = setting_text(SETTING_LOG);

	return strcmp(to, "syslog") == 0 || strcmp(to, "journal") == 0 ? to : NULL;
}

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
add_pair(char out[LOGFMT_LINE], size_t n, const char *key, const char *value)
{
	char text[2 * MAX_VALUE + 3];
	size_t m = 0;

	if (is_plain(value)) {
		(void)snprintf(text, sizeof text, "%.*s", MAX_VALUE, value);
	} else {
		text[m++] = '"';
		for (size_t i = 0; i < MAX_VALUE && value[i] != '\0'; i++) {
			char c = value[i];
			if (c == '"' || c == '\\')
				text[m++] = '\\';
			text[m++] = (char)((unsigned char)c < ' ' || c == 0x7f ? '?' : c);
		}
		text[m++] = '"';
		text[m] = '\0';
	}
	int added = snprintf(out + n, LOGFMT_LINE - 1 - n, "%s%s=%s",
			     n > 0 && out[n - 1] != ' ' ? " " : "", key, text);
	if (added > 0 && n + (size_t)added < LOGFMT_LINE - 1)
		return n + (size_t)added;
	out[n] = '\0';
	return n;
}

/* The same, with secrets redacted. */
static size_t
add_redacted(char out[LOGFMT_LINE], size_t n, const char *key, const char *value)
{
	char clean[MAX_SCANNED];

	(void)snprintf(clean, sizeof clean, "%s", value);
	redact_text(clean);
	return add_pair(out, n, key, clean);
}

/* Append a line to the ${n} bytes in ${out}; *${id}, unless NULL, is what it is about. */
static size_t
render_line(char out[LOGFMT_LINE], size_t n, const char *event, va_list ap, const char **id)
{
	char now[CLOCK_TEXT];
	const char *key;

	n = add_pair(out, n, "time", clock_format(clock_now(), now));
	n = add_pair(out, n, "event", event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);
		if (value == NULL)
			continue;
		if (id != NULL && strcmp(key, "id") == 0)
			*id = value;
		n = add_redacted(out, n, key, value);
	}
	return n;
}

void
logfmt_render(char out[LOGFMT_LINE], const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	(void)render_line(out, logfmt_elsewhere() != NULL ? syslog_head(out) : 0, event, ap, NULL);
	va_end(ap);
}

/* Rotate the full log, unless somebody else is doing so. */
static void
rotate(int dirfd, const char *file, long long max, long long keep)
{
	char from[80], to[80];
	struct stat st;

	int lockfd = file_lock(dirfd, ".lock", false, NULL);
	if (lockfd < 0)
		return;
	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > max) {
		for (long long i = keep; i > 1; i--) {
			(void)snprintf(from, sizeof from, "%s.%lld", file, i - 1);
			(void)snprintf(to, sizeof to, "%s.%lld", file, i);
			(void)renameat(dirfd, from, dirfd, to); /* it may not be there */
		}
		(void)snprintf(to, sizeof to, "%s.1", file);
		if (keep > 0)
			(void)renameat(dirfd, file, dirfd, to); /* else it just goes on growing */
		else
			(void)unlinkat(dirfd, file, 0);
	}
	file_close(lockfd);
}

/* Never waits, whatever has the log's name. */
static int
open_log(int dirfd, const char *file, struct stat *st, struct err *e)
{
	int fd = openat(
	    dirfd, file,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd < 0)
		return err_sys(e, "cannot open log/%s", file);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	file_close(fd);
	return err_set(e, ERR_BAD_DATA, "log/%s is not a file", file);
}

/* The directory of the logs, and ${name}'s file in it, rotated if it is full. */
static int
prepare_log(const char *name, char file[64], struct stat *st, struct err *e)
{
	long long max, keep;

	(void)snprintf(file, 64, "%.40s.log", name);
	int dirfd = home_dir("log", e);
	if (dirfd < 0 || fstatat(dirfd, file, st, AT_SYMLINK_NOFOLLOW) < 0) {
		*st = (struct stat){0};
		return dirfd;
	}
	(void)setting_number(SETTING_LOG_BYTES, &max, NULL);
	if (st->st_size <= max)
		return dirfd;
	(void)setting_number(SETTING_LOG_KEEP, &keep, NULL);
	rotate(dirfd, file, max, keep > LOGFMT_KEEP ? LOGFMT_KEEP : keep);
	if (fstatat(dirfd, file, st, AT_SYMLINK_NOFOLLOW) < 0)
		*st = (struct stat){0};
	return dirfd;
}

int
logfmt_open(const char *name, struct err *e)
{
	char file[64];
	struct stat st;

	int dirfd = prepare_log(name, file, &st, e);
	return dirfd < 0 ? -1 : open_log(dirfd, file, &st, e);
}

int
logfmt_target(const char *name, struct err *e)
{
	return logfmt_elsewhere() != NULL ? syslog_open(e) : logfmt_open(name, e);
}

/* A descriptor of log ${name} that stays ours; the lock is held. */
static int
log_fd(const char *name)
{
	char file[64];
	struct stat st;
	size_t i = 0;

	int dirfd = prepare_log(name, file, &st, NULL);
	while (i < MAX_OPEN && open_logs[i].name[0] != '\0' && strcmp(open_logs[i].name, name) != 0)
		i++;
	if (dirfd < 0 || i == MAX_OPEN)
		return -1;
	bool known = open_logs[i].name[0] != '\0';
	if (known && open_logs[i].fd >= 0 && open_logs[i].inode == st.st_ino &&
	    open_logs[i].device == st.st_dev)
		return open_logs[i].fd;
	if (known)
		file_close(open_logs[i].fd); /* it was rotated */
	(void)snprintf(open_logs[i].name, sizeof open_logs[i].name, "%s", name);
	open_logs[i].fd = open_log(dirfd, file, &st, NULL);
	open_logs[i].device = st.st_dev;
	open_logs[i].inode = st.st_ino;
	return open_logs[i].fd;
}

void
logfmt_write(const char *name, const char *event, ...)
{
	const char *to = logfmt_elsewhere(), *id = NULL;
	bool syslog = to != NULL && strcmp(to, "syslog") == 0;
	char line[LOGFMT_LINE], by[80];
	int saved = errno;
	va_list ap;

	va_start(ap, event);
	size_t n = render_line(line, syslog ? syslog_head(line) : 0, event, ap, &id);
	va_end(ap);
	(void)snprintf(by, sizeof by, "%.60s[%ld]", program_invocation_short_name, (long)getpid());
	n = add_pair(line, n, "by", by);
	if (to != NULL && syslog) {
		syslog_send(line, n);
	} else if (to != NULL) {
		syslog_journal_send(name, event, id, line, n);
	} else {
		line[n++] = '\n';
		(void)pthread_mutex_lock(&lock);
		int fd = log_fd(name);
		ssize_t written = fd < 0 ? -1 : write(fd, line, n); /* whole, or lost */
		(void)written;
		(void)pthread_mutex_unlock(&lock);
	}
	errno = saved;
}
