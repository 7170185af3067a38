/*
 * The counts of /status.  They are asked for often and change seldom, so the answer is cached for
 * CACHE_MS, as long as neither the collection's directory nor its index of unfinished records has
 * changed.  What the time of a directory does not show (pending becomes active) is seen after that.
 */
#include "assignment/assignment.h"
#include "assignment/members.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "wire/members.h"
#include "wire/message.h"

#define CACHE_MS 100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int64_t taken; /* clock_steady, 0: nothing is cached */
	struct timespec changed[2];
	json_t *active; /* array of {id, owner, workPath, startedAt} */
	long long pending, ended;
} cache;

static int
count_unfinished(void *arg, const char *id)
{
	struct record r;
	struct err e;
	char path[8192];

	(void)arg;
	if (record_open(ASSIGNMENTS, id, false, &r, &e) == 0) {
		const char *state = record_state(r.json);
		(void)snprintf(path, sizeof path, "%s/" ASSIGNMENTS "/%s/work", home_path(), id);
		if (strcmp(state, "pending") == 0)
			cache.pending++;
		else if (strcmp(state, "active") == 0)
			(void)json_array_append_new(
			    cache.active, json_pack("{ss ss ss ss}", "id", id, "owner",
						    assignment_owner(r.json), "workPath", path,
						    "startedAt", assignment_started_at(r.json)));
	}
	record_close(&r);
	return 0;
}

static int
count_all(long long *count, struct err *e)
{
	DIR *dir = home_list(ASSIGNMENTS);

	if (dir == NULL)
		return err_sys(e, "cannot read " ASSIGNMENTS);
	*count = 0;
	for (const char *id; (id = file_next(&dir)) != NULL;)
		*count += id_valid(id);
	return 0;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Bring the cache up to date; the lock is held. */
static int
refresh(struct err *e)
{
	struct stat st[2];
	long long all = 0;

	int fds[2] = {home_dir(ASSIGNMENTS, e), home_dir(ASSIGNMENTS "/.open", e)};
	for (int i = 0; i < 2; i++)
		if (fds[i] < 0 || fstat(fds[i], &st[i]) < 0)
			return err_sys(e, "cannot stat " ASSIGNMENTS);
	if (cache.taken != 0 && clock_steady() - cache.taken < CACHE_MS &&
	    same_time(&st[0].st_mtim, &cache.changed[0]) &&
	    same_time(&st[1].st_mtim, &cache.changed[1]))
		return 0;
	json_decref(cache.active);
	cache.active = json_array();
	cache.pending = 0;
	cache.taken = 0;
	if (cache.active == NULL)
		return err_memory(e);
	if (record_list(ASSIGNMENTS, false, count_unfinished, NULL, e) < 0 ||
	    count_all(&all, e) < 0)
		return -1;
	cache.ended = all - cache.pending - (long long)json_array_size(cache.active);
	cache.changed[0] = st[0].st_mtim;
	cache.changed[1] = st[1].st_mtim;
	cache.taken = clock_steady();
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
	json_array_foreach (cache.active, i, one) {
		if (strcmp(assignment_owner(one), owner) != 0)
			continue;
		json_t *mine = json_copy(one);
		(void)json_object_del(mine, "owner");
		(void)json_array_append_new(list, mine); /* out of memory: the answer is shorter */
	}
	answer = json_pack("{sI sI sI sO so}", "pendingInvitations", (json_int_t)cache.pending,
			   "activeDelegations", (json_int_t)json_array_size(cache.active),
			   "completedDelegations", (json_int_t)(cache.ended < 0 ? 0 : cache.ended),
			   "delegations", list, status_fidelity_path(), message_fidelity());
	if (answer == NULL)
		err_memory(e);
out:
	(void)pthread_mutex_unlock(&lock);
	json_decref(list);
	return answer;
}
