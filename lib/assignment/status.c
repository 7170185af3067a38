/*
 * The counts of /status.  They are asked for often and change seldom, so the answer is kept for
 * a moment, as long as neither the collection's directory nor its index of unfinished records has
 * changed; what the time of a directory does not show (pending becomes active) is seen when the
 * moment is over.
 */
#include "assignment/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"

#define KEEP_MS 100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int64_t taken; /* clock_steady, 0: nothing kept */
	struct timespec changed[2];
	json_t *active; /* array of {id, owner, workPath, startedAt} */
	long long pending, ended;
} kept;

static int
look_at_open(void *arg, const char *id)
{
	struct record r;
	struct err e;
	char path[8192];

	(void)arg;
	if (record_open(ASSIGNMENTS, id, false, &r, &e) == 0) {
		const char *state = jsonx_text(r.json, "state", "");
		(void)snprintf(path, sizeof path, "%s/" ASSIGNMENTS "/%s/work", home_path(), id);
		if (strcmp(state, "pending") == 0)
			kept.pending++;
		else if (strcmp(state, "active") == 0)
			(void)json_array_append_new(kept.active,
						    json_pack("{ss ss ss ss}", "id", id, "owner",
							      jsonx_text(r.json, "owner", ""),
							      "workPath", path, "startedAt",
							      jsonx_text(r.json, "startedAt", "")));
	}
	record_close(&r);
	return 0;
}

static int
count_all(int fd, long long *count, struct err *e)
{
	const struct dirent *d;

	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return err_sys(e, "cannot read " ASSIGNMENTS);
	}
	*count = 0;
	while ((d = readdir(dir)) != NULL)
		*count += id_valid(d->d_name);
	(void)closedir(dir);
	return 0;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Bring what is kept up to date; the lock is held. */
static int
refresh(struct err *e)
{
	struct stat st[2];
	long long all = 0;

	int fds[2] = {home_dir(ASSIGNMENTS, e), home_dir(ASSIGNMENTS "/.open", e)};
	for (int i = 0; i < 2; i++)
		if (fds[i] < 0 || fstat(fds[i], &st[i]) < 0)
			return err_sys(e, "cannot look at " ASSIGNMENTS);
	if (kept.taken != 0 && clock_steady() - kept.taken < KEEP_MS &&
	    same_time(&st[0].st_mtim, &kept.changed[0]) &&
	    same_time(&st[1].st_mtim, &kept.changed[1]))
		return 0;
	json_decref(kept.active);
	kept.active = json_array();
	kept.pending = 0;
	kept.taken = 0;
	if (kept.active == NULL)
		return err_memory(e);
	if (record_list(ASSIGNMENTS, false, look_at_open, NULL, e) < 0 ||
	    count_all(fds[0], &all, e) < 0)
		return -1;
	kept.ended = all - kept.pending - (long long)json_array_size(kept.active);
	kept.changed[0] = st[0].st_mtim;
	kept.changed[1] = st[1].st_mtim;
	kept.taken = clock_steady();
	return 0;
}

json_t *
assignment_status(const char *owner, struct err *e)
{
	json_t *answer = NULL, *list = json_array(), *one;
	size_t i;

	(void)pthread_mutex_lock(&lock);
	if (list == NULL || refresh(e) < 0)
		goto out;
	json_array_foreach (kept.active, i, one) {
		if (strcmp(jsonx_text(one, "owner", ""), owner) != 0)
			continue;
		json_t *mine = json_copy(one);
		(void)json_object_del(mine, "owner");
		(void)json_array_append_new(list, mine); /* out of memory: the answer is shorter */
	}
	answer = json_pack("{sI sI sI sO}", "pendingInvitations", (json_int_t)kept.pending,
			   "activeDelegations", (json_int_t)json_array_size(kept.active),
			   "completedDelegations", (json_int_t)(kept.ended < 0 ? 0 : kept.ended),
			   "delegations", list);
	if (answer == NULL)
		err_memory(e);
out:
	(void)pthread_mutex_unlock(&lock);
	json_decref(list);
	return answer;
}
