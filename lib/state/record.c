#include "state/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "log/lifecycle.h"
#include "log/members.h"
#include "state/space.h"

#define RECORD_MAX (4 * 1024 * 1024) /* bytes of a record.json */

static int
index_dir(const char *collection, struct err *e)
{
	char name[128];

	(void)snprintf(name, sizeof name, "%s/.open", collection);
	return home_dir(name, e);
}

static void
init_record(struct record *r, const char *collection, const char *id)
{
	*r = (struct record){.dirfd = -1, .lockfd = -1, .collection = collection};
	(void)snprintf(r->id, sizeof r->id, "%s", id);
}

void
record_close(struct record *r)
{
	json_decref(r->json);
	r->json = NULL;
	file_close(r->lockfd);
	file_close(r->dirfd);
	r->lockfd = r->dirfd = -1;
}

static int
not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no %s", id);
}

/* Is the directory still where it was opened, or was it removed while we waited for the lock? */
static bool
is_in_place(int parent, const struct record *r)
{
	struct stat a, b;

	return fstat(r->dirfd, &a) == 0 && fstatat(parent, r->id, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int
record_create(const char *collection, const char *id, struct record *r, struct err *e)
{
	init_record(r, collection, id);
	int parent = home_dir(collection, e);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, id, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create %s/%s", collection, id);
	r->dirfd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->dirfd < 0)
		return err_sys(e, "cannot open %s/%s", collection, id);
	if ((r->lockfd = file_lock(r->dirfd, "lock", true, e)) < 0)
		return -1;
	if (!is_in_place(parent, r))
		return err_set(e, ERR_CONFLICT, "%s was just removed", id);
	/* A directory without a record was left by a crash: it is ours now. */
	if (faccessat(r->dirfd, "record.json", F_OK, 0) == 0)
		return err_set(e, ERR_CONFLICT, "%s exists already", id);
	r->json = json_object();
	if (r->json == NULL)
		return err_memory(e);
	r->created = true;
	return 0;
}

int
record_open(const char *collection, const char *id, bool change, struct record *r, struct err *e)
{
	struct err why;

	init_record(r, collection, id);
	if (!id_valid(id)) {
		err_set(e, ERR_BAD_DATA, "not an id: %.64s", id);
		return err_hint(e, "an id has letters, digits, _ and - only");
	}
	int parent = home_dir(collection, e);
	if (parent < 0)
		return -1;
	r->dirfd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->dirfd < 0)
		return errno == ENOENT ? not_found(id, e) : err_sys(e, "cannot open %s", id);
	if (change && (r->lockfd = file_lock(r->dirfd, "lock", true, e)) < 0)
		return -1;
	if (change && !is_in_place(parent, r)) {
		file_close(r->lockfd);
		r->lockfd = -1;
		return not_found(id, e);
	}
	r->json = home_load(r->dirfd, "record.json", RECORD_MAX, id, &why);
	if (r->json != NULL) {
		(void)snprintf(r->saved_state, sizeof r->saved_state, "%s", record_state(r->json));
		return 0;
	}
	if (errno == ENOENT)
		return not_found(id, e);
	err_add(&why, why.code == ERR_BAD_DATA ? "the record of %s is damaged" : "%s", id);
	if (e != NULL)
		*e = why;
	return -1;
}

static int
write_record(struct record *r, const struct buf *b, bool durable, struct err *e)
{
	if (!r->created || !durable)
		return file_replace(r->dirfd, "record.json", b->data, b->len, durable, e);
	int parent = home_dir(r->collection, e);
	if (parent < 0 || file_replace_new(parent, r->dirfd, "record.json", b->data, b->len, e) < 0)
		return -1;
	r->created = false;
	return 0;
}

/* It is saved: log its new state. */
static void
log_state(struct record *r)
{
	const char *state = record_state(r->json);

	if (strcmp(state, r->saved_state) == 0 && r->event == NULL)
		return;
	lifecycle_record(r->collection, r->id, r->saved_state, r->event, r->json);
	(void)snprintf(r->saved_state, sizeof r->saved_state, "%s", state);
	r->event = NULL;
}

/* Add ${r} to the index, as another name of its lock. */
static int
add_to_index(const struct record *r, int indexfd, struct err *e)
{
	if (linkat(r->dirfd, "lock", indexfd, r->id, 0) == 0 || errno == EEXIST)
		return 0;
	int fd = openat(indexfd, r->id, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot index %s", r->id);
	file_close(fd);
	return 0;
}

static int
save_record(struct record *r, bool open, bool durable, struct err *e)
{
	struct buf b = BUF_INIT(RECORD_MAX);
	int status = -1;

	int indexfd = index_dir(r->collection, e);
	if (indexfd < 0)
		return -1;
	if (open && add_to_index(r, indexfd, e) < 0)
		return -1;
	if (jsonx_dump(r->json, &b, e) < 0 || buf_add(&b, "\n", 1, e) < 0 ||
	    write_record(r, &b, durable, e) < 0)
		goto out;
	if (!open)
		(void)unlinkat(indexfd, r->id, 0); /* a hint: one too many is harmless */
	log_state(r);
	status = 0;
out:
	buf_free(&b);
	return status;
}

int
record_save(struct record *r, bool open, bool durable, struct err *e)
{
	struct err why = {.code = ERR_INTERNAL};
	char now[CLOCK_TEXT];
	int status;

	if (record_set_updated_at(r->json, clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	do
		status = save_record(r, open, durable, &why);
	while (status < 0 && space_release(&why));
	if (status == 0)
		return 0;
	if (e != NULL)
		*e = why;
	return err_add(e, "cannot save %s", r->id);
}

int
record_remove(struct record *r, struct err *e)
{
	char name[ID_MAX + 1];

	int parent = home_dir(r->collection, e);
	int tmpfd = home_dir("tmp", e);
	int indexfd = index_dir(r->collection, e);
	if (parent < 0 || tmpfd < 0 || indexfd < 0 || id_make("removed-", 16, name, e) < 0)
		return -1;
	if (renameat(parent, r->id, tmpfd, name) < 0)
		return err_sys(e, "cannot remove %s", r->id);
	(void)unlinkat(indexfd, r->id, 0); /* a hint */
	if (r->saved_state[0] != '\0')
		lifecycle_removed(r->collection, r->id, r->json, r->event);
	/* Nobody finds it any more.  Removing an open file would cost more. */
	file_close(r->lockfd);
	file_close(r->dirfd);
	r->lockfd = r->dirfd = -1;
	return file_remove_tree(tmpfd, name, e);
}

static int
is_id(const struct dirent *d)
{
	return id_valid(d->d_name);
}

int
record_list(const char *collection, bool all, int (*each)(void *arg, const char *id), void *arg,
	    struct err *e)
{
	int fd = all ? home_dir(collection, e) : index_dir(collection, e);
	return fd < 0 ? -1 : home_each(fd, is_id, each, arg, e);
}

struct search {
	const char *prefix;
	char *id;
	int found;
};

static int
match_prefix(void *arg, const char *id)
{
	struct search *s = arg;

	if (strncmp(id, s->prefix, strlen(s->prefix)) == 0 && s->found++ == 0)
		strcpy(s->id, id);
	return s->found > 1;
}

int
record_find(const char *collection, const char *prefix, char id[129], struct err *e)
{
	struct search s = {prefix, id, 0};

	if (!id_valid(prefix)) {
		err_set(e, ERR_USAGE, "not an id: %.64s", prefix);
		return err_hint(e, "an id has letters, digits, _ and - only");
	}
	int fd = home_dir(collection, e);
	if (fd < 0)
		return -1;
	if (faccessat(fd, prefix, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		strcpy(id, prefix);
		return 0;
	}
	if (record_list(collection, true, match_prefix, &s, e) < 0)
		return -1;
	if (s.found == 0)
		return not_found(prefix, e);
	if (s.found > 1) {
		err_set(e, ERR_USAGE, "more than one id begins with %s", prefix);
		return err_hint(e, "give more of it");
	}
	return 0;
}
