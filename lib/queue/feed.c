#include "queue/feed.h"

#include <stdio.h>
#include <string.h>

#include "config/home.h"

#define MAX_PASSED 256 /* changes of others that are passed at a time */

struct search {
	const char *tenant;
	json_t **entry; /* may be NULL */
	int left;       /* changes to look at */
};

static int
newest(const struct feed *f, struct feed_extent *now, struct err *e)
{
	const struct queue_access *access = f->handle;
	uint64_t version = 0;

	struct queue *q = access->open(f->subject, false, e);
	int status = q == NULL ? -1 : queue_version(q, &version, e);
	access->close(q);
	*now = (struct feed_extent){.inode = 1, .size = (off_t)version};
	return status;
}

static int
take_change(void *arg, const json_t *task)
{
	struct search *x = arg;

	if (x->tenant != NULL &&
	    strcmp(task_tenant(task) != NULL ? task_tenant(task) : "", x->tenant) != 0)
		return --x->left == 0;
	if (x->entry != NULL) {
		*x->entry = json_copy((json_t *)(uintptr_t)task);
		jsonx_drop(*x->entry, task_payload_path());
	}
	return 1;
}

static int
next(struct feed_reader *r, json_t **entry, struct err *e)
{
	const struct queue_access *access = r->feed.handle;
	struct search x = {r->feed.owner, entry, MAX_PASSED};
	uint64_t last = r->at.seq;

	struct queue *q = access->open(r->feed.subject, false, e);
	int status = q == NULL ? -1 : queue_changes(q, NULL, &last, take_change, &x, e);
	access->close(q);
	if (status < 0)
		return -1;
	if (last == r->at.seq)
		return 0;
	r->at.seq = last;
	r->at.offset = (off_t)last;
	return 1;
}

static void
directory(const struct feed *f, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/queue/%s", home_path(), f->subject);
}

const struct feed_kind queue_feed = {newest, next, directory, "head"};
