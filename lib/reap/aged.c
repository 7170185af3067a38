/*
 * Files that go when they are too old: what lies in tmp/, rotated logs, what was damaged, peers
 * that accepted nothing, marks of readers that nobody reads with.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "config/home.h"
#include "reap/private.h"

#define REMOVING_MS 60000 /* removing a tree touches it more often than that */

struct aged {
	const char *directory; /* of the state */
	enum reap_kind kind;
	const char *why;
	/* How old ${name} must be to go, ms; -1: it stays. */
	int64_t (*max_age)(const struct reap *r, const char *name);
	int (*remove)(int dirfd, const char *name, struct err *e);
	bool locked; /* whoever writes it holds .lock, and makes it young again */
};

static int64_t
tmp_max_age(const struct reap *r, const char *name)
{
	return strncmp(name, "removed-", 8) == 0 && r->limits.leftover_age > REMOVING_MS
		   ? REMOVING_MS
		   : r->limits.leftover_age;
}

/* The name of a rotated log ends with a number. */
static int64_t
log_max_age(const struct reap *r, const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && dot[1] != '\0' && dot[1 + strspn(dot + 1, "0123456789")] == '\0'
		   ? r->limits.log_retention
		   : -1;
}

static int64_t
corrupt_max_age(const struct reap *r, const char *name)
{
	(void)name;
	return r->limits.corrupt_retention;
}

/* A peer's file is touched when it accepts a delegation. */
static int64_t
peer_max_age(const struct reap *r, const char *name)
{
	return name[0] == '.' || r->limits.peer_retention == 0 ? -1 : r->limits.peer_retention;
}

static int64_t
reader_max_age(const struct reap *r, const char *name)
{
	return name[0] == '.' ? -1 : r->limits.reader_retention;
}

static void
remove_if_aged(struct reap *r, const struct aged *a, int dirfd, const char *name)
{
	int64_t max = a->max_age(r, name);
	int64_t age = max < 0 ? -1 : reap_age(r, dirfd, name);
	struct reap_action action;
	char id[512], span[32];
	struct err e;

	if (age < 0 || age < max)
		return;
	(void)snprintf(id, sizeof id, "%.250s/%.255s", a->directory, name);
	reap_describe(&action, a->kind, id, "remove", "%s for %s", a->why, reap_span(age, span));
	if (!reap_may_remove(r, &action))
		return;
	int lockfd = a->locked ? file_lock(dirfd, ".lock", true, &e) : -1;
	bool young = lockfd >= 0 && reap_age(r, dirfd, name) < max;
	int status = a->locked && lockfd < 0 ? -1 : young ? 0 : a->remove(dirfd, name, &e);
	file_close(lockfd);
	if (young)
		return;
	reap_done(r, &action, status, &e);
	/* Complain less often; but the time of a peer or a reader has a meaning. */
	if (status < 0 && (a->kind == REAP_ORPHANS || a->kind == REAP_RETENTION))
		(void)utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW);
}

static void
remove_aged(struct reap *r, const struct aged *a)
{
	DIR *dir = home_list(a->directory);

	for (const char *name; (name = file_next(&dir)) != NULL;)
		remove_if_aged(r, a, dirfd(dir), name);
}

void
reap_tmp(struct reap *r)
{
	static const char *const written[] = {".", "due", "peers", "tokens", "guards", "profiles"};

	remove_aged(r, &(const struct aged){"tmp", REAP_ORPHANS, "nobody touched it", tmp_max_age,
					    file_remove_tree, false}); /* was renamed already */
	for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
		reap_temporaries(r, written[i], false);
	reap_temporaries(r, "queue", true);
}

void
reap_logs(struct reap *r)
{
	remove_aged(r, &(const struct aged){"log", REAP_RETENTION, "it was rotated", log_max_age,
					    reap_remove, false});
}

void
reap_corrupt(struct reap *r)
{
	remove_aged(r, &(const struct aged){"corrupt", REAP_RETENTION, "it lay there",
					    corrupt_max_age, reap_remove, false});
}

void
reap_peers(struct reap *r)
{
	remove_aged(r, &(const struct aged){"peers", REAP_PEERS, "it was not heard of",
					    peer_max_age, reap_remove, false});
}

void
reap_readers(struct reap *r)
{
	char path[300];

	DIR *dir = r->limits.reader_retention == 0 ? NULL : home_list("queue");
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "queue/%.255s/readers", name);
		remove_aged(r,
			    &(const struct aged){path, REAP_READERS, "nobody read with that name",
						 reader_max_age, reap_remove, true});
	}
}
