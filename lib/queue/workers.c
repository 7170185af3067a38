/*
 * queue/workers - what the workers are capable of that ask for tasks, so that a task that none of
 * them may have can say so.
 *
 *	queue/<name>/workers/<hash>	{"capabilities": [...], "tenant": ...}
 *
 * There is a file for each set of capabilities, not for each worker; its modification time is when
 * one with them asked last, to the minute.  A worker that carries out a long task does not ask, so
 * that a day must pass before its file says nothing any more.
 */
#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define DIRECTORY "workers"
#define FILE_MAX 65536
#define FILES_MAX 256                   /* then new sets are not noted */
#define NOTE_MS 60000                   /* a file is touched at most so often */
#define LATE_MS ((int64_t)86400 * 1000) /* after that a file says nothing */
#define SEEN_MS 1000                    /* what was read is believed so long */
#define CAPABILITIES 64                 /* of a set, at most */

MEMBER_JSON(known, capabilities, "capabilities")
MEMBER_TEXT(known, tenant, "tenant", NULL)

/* The same whatever the order of the capabilities. */
static uint64_t
hash_of(const struct queue_worker *w)
{
	uint64_t hash = queue_hash(w->tenant);

	for (const char *const *has = w->capabilities; *has != NULL; has++)
		hash += queue_hash(*has) * 31;
	return hash;
}

/* How long ago the file ${name} was touched, ms; INT64_MAX if there is none. */
static int64_t
age_of(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return INT64_MAX;
	int64_t age = clock_now() - (int64_t)st.st_mtim.tv_sec * 1000;
	return age < 0 ? 0 : age;
}

/* Remove the files that say nothing any more; true if there is room for one more. */
static bool
make_room(int dirfd)
{
	DIR *dir = file_list(dirfd, ".");
	size_t count = 0;

	for (const char *name; (name = file_next(&dir)) != NULL;)
		if (age_of(dirfd, name) < LATE_MS || unlinkat(dirfd, name, 0) < 0)
			count++;
	return count < FILES_MAX;
}

static int
write_worker(int dirfd, const char *name, const struct queue_worker *w)
{
	json_t *o = json_object(), *list = json_array();
	int status = 0;

	for (const char *const *has = w->capabilities; *has != NULL; has++)
		status |= json_array_append_new(list, json_string(*has));
	if (status < 0 || known_set_tenant(o, w->tenant) < 0 ||
	    known_set_capabilities(o, json_incref(list)) < 0)
		status = -1;
	else
		status = jsonx_save(dirfd, name, o, FILE_MAX, false, NULL);
	json_decref(list);
	json_decref(o);
	return status;
}

/* Have a file ${name} for ${w} that was touched just now. */
static void
touch_worker(const struct queue *q, const char *name, const struct queue_worker *w)
{
	if (mkdirat(q->dirfd, DIRECTORY, 0700) < 0 && errno != EEXIST)
		return;
	int dirfd = openat(q->dirfd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dirfd < 0)
		return;
	int64_t age = age_of(dirfd, name);
	if (age == INT64_MAX) {
		if (make_room(dirfd))
			(void)write_worker(dirfd, name, w);
	} else if (age >= NOTE_MS) {
		(void)utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW);
	}
	file_close(dirfd);
}

void
queue_workers_note(struct queue *q, const struct queue_worker *w)
{
	struct queue_workers *all = &q->workers;
	int64_t now = clock_steady();
	size_t oldest = 0;
	char name[32];

	if (w->capabilities == NULL || w->capabilities[0] == NULL)
		return;
	uint64_t hash = hash_of(w);
	for (size_t i = 0; i < sizeof all->noted / sizeof all->noted[0]; i++) {
		if (all->noted[i].hash == hash && all->noted[i].at + NOTE_MS > now)
			return;
		if (all->noted[i].at < all->noted[oldest].at)
			oldest = i;
	}
	(void)snprintf(name, sizeof name, "%016" PRIx64, hash);
	touch_worker(q, name, w);
	all->noted[oldest].hash = hash;
	all->noted[oldest].at = now;
}

/* Read all files into all->seen. */
static void
read_workers(const struct queue *q, struct queue_workers *all)
{
	int64_t now = clock_steady();

	if (all->seen != NULL && all->seen_at + SEEN_MS > now)
		return;
	json_decref(all->seen);
	all->seen = json_array();
	all->seen_at = now;
	DIR *dir = file_list(q->dirfd, DIRECTORY);
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (name[0] == '.' || age_of(dirfd(dir), name) >= LATE_MS)
			continue;
		json_t *o = jsonx_load(dirfd(dir), name, FILE_MAX, NULL);
		if (o != NULL)
			(void)json_array_append_new(all->seen, o);
	}
}

/* Does ${worker}, the content of a file, fit ${task}? */
static bool
is_fit(const json_t *worker, const json_t *task)
{
	const char *has[CAPABILITIES + 1];
	const json_t *list = known_capabilities(worker), *one;
	size_t i, n = 0;

	json_array_foreach (list, i, one)
		if (json_is_string(one) && n < CAPABILITIES)
			has[n++] = json_string_value(one);
	has[n] = NULL;
	const struct queue_worker w = {.capabilities = has, .tenant = known_tenant(worker)};
	return queue_rule_fits(task, &w);
}

bool
queue_workers_fit(struct queue *q, const json_t *task)
{
	const json_t *one;
	size_t i;

	read_workers(q, &q->workers);
	json_array_foreach (q->workers.seen, i, one)
		if (is_fit(one, task))
			return true;
	return q->workers.seen == NULL; /* out of memory */
}
