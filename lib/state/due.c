#include "state/due.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"

#define HOUR 12   /* bytes of "20261120T09" with its NUL */
#define BUCKET 15 /* of "20261120T09/05" */
#define NAME (DUE_KIND + 1 + ID_MAX + 1)
#define TRIES 20 /* a directory that was just made may be tidied away */

struct due {
	int64_t until;
	char last[BUCKET]; /* the minute of ${until}, not over yet */
	int dirfd;         /* due/, not ours to close */
	char (*hours)[HOUR];
	size_t hour_count, hour; /* hour: the one that is read, from 1; 0 before the first */
	bool minutes[60];        /* of that hour: there, and not read yet */
	char bucket[BUCKET];
	DIR *dir; /* of the minute that is read, or NULL */
	char name[NAME];
	char (*done)[BUCKET]; /* read to the end and over */
	size_t done_count, done_cap;
};

static void
bucket_of(int64_t when, char out[BUCKET])
{
	char t[CLOCK_TEXT];

	(void)clock_format(when < 0 ? 0 : when, t);
	(void)snprintf(out, BUCKET, "%.4s%.2s%.2sT%.2s/%.2s", t, t + 5, t + 8, t + 11, t + 14);
}

/* The beginning of that minute; -1 if it is none. */
static int64_t
time_of(const char bucket[BUCKET])
{
	char t[CLOCK_TEXT];
	int64_t when;

	(void)snprintf(t, sizeof t, "%.4s-%.2s-%.2sT%.2s:%.2s:00.000Z", bucket, bucket + 4,
		       bucket + 6, bucket + 9, bucket + 12);
	return clock_parse(t, &when, NULL) < 0 ? -1 : when;
}

static void
path_of(const char *kind, const char *id, int64_t when, char out[BUCKET + NAME])
{
	char bucket[BUCKET];

	bucket_of(when, bucket);
	(void)snprintf(out, BUCKET + NAME, "%s/%.*s:%.*s", bucket, DUE_KIND, kind, ID_MAX, id);
}

/* Make the directories of that minute; mostly the first is there. */
static void
make_bucket(int dirfd, int64_t when)
{
	char bucket[BUCKET];

	bucket_of(when, bucket);
	bucket[HOUR - 1] = '\0';
	(void)mkdirat(dirfd, bucket, 0700);
	bucket[HOUR - 1] = '/';
	(void)mkdirat(dirfd, bucket, 0700);
}

void
due_set(const char *kind, const char *id, int64_t when)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, clock_timespec(when)};
	char path[BUCKET + NAME];
	struct stat st;
	int fd = -1;

	int dirfd = home_dir("due", NULL);
	if (dirfd < 0 || when < 0)
		return;
	path_of(kind, id, when, path);
	for (int i = 0; i < TRIES; i++) {
		fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != ENOENT)
			break;
		make_bucket(dirfd, when);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && clock_ms(st.st_mtim) != when)
		(void)futimens(fd, times); /* else it is handled too early or too late */
	file_close(fd);
}

void
due_move(const char *kind, const char *id, int64_t previous, int64_t when, int dirfd,
	 const char *name)
{
	char path[BUCKET + NAME], old[BUCKET + NAME];

	int duefd = home_dir("due", NULL);
	if (duefd < 0 || when < 0)
		return;
	path_of(kind, id, when, path);
	path_of(kind, id, previous, old);
	if (previous >= 0 && strcmp(old, path) != 0)
		(void)unlinkat(duefd, old, 0); /* a hint */
	if (linkat(dirfd, name, duefd, path, 0) == 0)
		return;
	if (errno == ENOENT) {
		make_bucket(duefd, when);
		if (linkat(dirfd, name, duefd, path, 0) == 0)
			return;
	}
	due_set(kind, id, when); /* there is one, or there are no links */
}

void
due_clear(const char *kind, const char *id, int64_t when)
{
	char path[BUCKET + NAME];

	int dirfd = home_dir("due", NULL);
	if (dirfd < 0 || when < 0)
		return;
	path_of(kind, id, when, path);
	(void)unlinkat(dirfd, path, 0); /* a hint */
}

static bool
is_hour(const char *s)
{
	for (size_t i = 0; i < HOUR - 1; i++)
		if (i == 8 ? s[i] != 'T' : !isdigit((unsigned char)s[i]))
			return false;
	return s[HOUR - 1] == '\0';
}

static int
by_hour(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Find the hours that have come. */
static int
read_hours(struct due *d, struct err *e)
{
	size_t cap = 0;

	DIR *dir = file_list(d->dirfd, ".");
	if (dir == NULL)
		return err_sys(e, "cannot read due/");
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (!is_hour(name) || strncmp(name, d->last, HOUR - 1) > 0)
			continue;
		char(*more)[HOUR] = array_grow(d->hours, d->hour_count + 1, &cap, sizeof *more, e);
		if (more == NULL) {
			(void)closedir(dir);
			return -1;
		}
		d->hours = more;
		memcpy(d->hours[d->hour_count++], name, HOUR);
	}
	if (d->hour_count > 0)
		qsort(d->hours, d->hour_count, HOUR, by_hour);
	return 0;
}

struct due *
due_open(int64_t until, struct err *e)
{
	struct due *d = calloc(1, sizeof *d);

	if (d == NULL) {
		err_memory(e);
		return NULL;
	}
	d->until = until;
	bucket_of(until, d->last);
	d->dirfd = home_dir("due", e);
	if (d->dirfd >= 0 && read_hours(d, e) == 0)
		return d;
	due_close(d, false);
	return NULL;
}

/* Read which minutes of hour ${hour} are there. */
static void
read_minutes(struct due *d, const char *hour)
{
	memset(d->minutes, 0, sizeof d->minutes);
	DIR *dir = file_list(d->dirfd, hour);
	for (const char *s; (s = file_next(&dir)) != NULL;) {
		if (isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) && s[2] == '\0' &&
		    s[0] < '6')
			d->minutes[(s[0] - '0') * 10 + s[1] - '0'] = true;
	}
}

/* Note that the minute was read to its end.  If memory is out, its directory stays. */
static void
note_done(struct due *d)
{
	if (strcmp(d->bucket, d->last) >= 0)
		return;
	char(*more)[BUCKET] =
	    array_grow(d->done, d->done_count + 1, &d->done_cap, sizeof *more, NULL);
	if (more == NULL)
		return;
	d->done = more;
	memcpy(d->done[d->done_count++], d->bucket, BUCKET);
}

/* Open the next minute that has come.  False if there is none. */
static bool
next_minute(struct due *d)
{
	if (d->dir != NULL) {
		(void)closedir(d->dir);
		d->dir = NULL;
		note_done(d);
	}
	for (;;) {
		for (int i = 0; i < 60 && d->hour > 0; i++) {
			if (!d->minutes[i])
				continue;
			d->minutes[i] = false;
			(void)snprintf(d->bucket, BUCKET, "%s/%02d", d->hours[d->hour - 1], i % 60);
			if (strcmp(d->bucket, d->last) > 0)
				return false;
			if ((d->dir = file_list(d->dirfd, d->bucket)) != NULL)
				return true;
		}
		if (d->hour == d->hour_count)
			return false;
		read_minutes(d, d->hours[d->hour++]);
	}
}

/* Kind and id from the name of an entry. */
static bool
parse_entry(const char *name, struct due_entry *entry)
{
	const char *colon = strchr(name, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - name);

	if (n == 0 || n > DUE_KIND || !id_valid(colon + 1))
		return false;
	memcpy(entry->kind, name, n);
	entry->kind[n] = '\0';
	strcpy(entry->id, colon + 1);
	return true;
}

/* Has its exact time come?  This is in question only in the minute that is not over. */
static bool
has_come(struct due *d, struct due_entry *entry)
{
	struct stat st;

	entry->when = time_of(d->bucket);
	if (strcmp(d->bucket, d->last) != 0)
		return true;
	if (fstatat(dirfd(d->dir), d->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	entry->when = clock_ms(st.st_mtim);
	return entry->when <= d->until;
}

int
due_next(struct due *d, struct due_entry *entry, struct err *e)
{
	const struct dirent *found;

	for (;;) {
		if (d->dir == NULL && !next_minute(d))
			return 0;
		errno = 0;
		while ((found = readdir(d->dir)) != NULL) {
			if (!parse_entry(found->d_name, entry))
				continue;
			(void)snprintf(d->name, sizeof d->name, "%.*s", NAME - 1, found->d_name);
			if (has_come(d, entry))
				return 1;
		}
		if (errno != 0 && errno != ENOENT) /* ENOENT: tidied away by somebody else */
			return err_sys(e, "cannot read due/%s", d->bucket);
		if (!next_minute(d))
			return 0;
	}
}

void
due_drop(struct due *d)
{
	if (d->dir != NULL)
		(void)unlinkat(dirfd(d->dir), d->name, 0); /* else it is handled again */
}

void
due_later(struct due *d, const struct due_entry *entry, int64_t when)
{
	char bucket[BUCKET];

	bucket_of(when, bucket);
	due_set(entry->kind, entry->id, when);
	if (strcmp(bucket, d->bucket) != 0)
		due_drop(d);
}

void
due_close(struct due *d, bool tidy)
{
	if (d == NULL)
		return;
	if (d->dir != NULL)
		(void)closedir(d->dir);
	/* One that is not empty stays, and due_set makes one again that is gone. */
	for (size_t i = 0; tidy && i < d->done_count; i++)
		(void)unlinkat(d->dirfd, d->done[i], AT_REMOVEDIR);
	for (size_t i = 0; tidy && i < d->hour_count; i++)
		if (strncmp(d->hours[i], d->last, HOUR - 1) < 0)
			(void)unlinkat(d->dirfd, d->hours[i], AT_REMOVEDIR);
	free(d->done);
	free(d->hours);
	free(d);
}
