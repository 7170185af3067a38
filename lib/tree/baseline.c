/*
 * baseline - what a tree was when it was received.  See baseline.h.
 */
#include "tree/baseline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/compare.h"
#include "tree/manifest.h"

struct baseline {
	struct manifest_reader *reader;
	struct entry *head;               /* the next one that was not passed; NULL at the end */
	const struct resource *resources; /* of the walk */
	size_t count;
	bool here; /* it is of the path last looked at */
	bool modes;
	int64_t fresh; /* a ctime from here on tells nothing */
	uint64_t changes;
	void (*each)(void *arg, const char *path);
	void *each_arg;
	int (*stays)(void *arg, const struct entry *then, struct err *e);
	void *stays_arg;
};

static int
advance(struct baseline *b, struct err *e)
{
	int n = manifest_next(b->reader, &b->head, e);

	if (n < 0)
		return err_add(e, "the list of what was received");
	if (n == 0)
		b->head = NULL;
	return 0;
}

struct baseline *
baseline_open(int fd, const struct resource *resources, size_t n, bool modes, struct err *e)
{
	struct baseline *b = calloc(1, sizeof *b);
	struct stat st;

	if (b == NULL) {
		err_memory(e);
		return NULL;
	}
	b->resources = resources;
	b->count = n;
	b->modes = modes;
	if (fstat(fd, &st) < 0) {
		err_sys(e, "the list of what was received");
		goto err;
	}
	b->fresh = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec - BASELINE_TICK;
	b->reader = manifest_reader_new(fd, e);
	if (b->reader == NULL || advance(b, e) < 0)
		goto err;
	return b;
err:
	baseline_close(b);
	return NULL;
}

void
baseline_close(struct baseline *b)
{
	if (b == NULL)
		return;
	manifest_reader_free(b->reader);
	free(b);
}

void
baseline_on_change(struct baseline *b, void (*each)(void *arg, const char *path), void *arg)
{
	b->each = each;
	b->each_arg = arg;
}

void
baseline_on_gone(struct baseline *b,
		 int (*stays)(void *arg, const struct entry *then, struct err *e), void *arg)
{
	b->stays = stays;
	b->stays_arg = arg;
}

const struct entry *
baseline_then(const struct baseline *b)
{
	return b->here ? b->head : NULL;
}

static void
count_one(struct baseline *b, const char *path)
{
	b->changes++;
	if (b->each != NULL)
		b->each(b->each_arg, path);
}

/* Step over the entry that was found, or that is gone. */
static int
pass(struct baseline *b, bool gone, struct err *e)
{
	/* What was not walked has not gone. */
	gone = gone && compare_resource(b->resources, b->count, b->head->path) < b->count;
	int stays = gone && b->stays != NULL ? b->stays(b->stays_arg, b->head, e) : 0;
	if (stays < 0)
		return -1;
	if (gone && stays == 0 && b->head->type != 'd')
		count_one(b, b->head->path);
	return advance(b, e);
}

/* Step over all that lies before ${path}: 0 if the next entry is ${path} itself, another number if
 * not; -1 in *${status} on failure. */
static int
pass_to(struct baseline *b, const char *path, int *status, struct err *e)
{
	int order = -1;

	*status = b->here ? pass(b, false, e) : 0;
	b->here = false;
	while (*status == 0 && b->head != NULL && (order = tree_order(b->head->path, path)) < 0)
		*status = pass(b, true, e);
	return b->head != NULL ? order : 1;
}

int
baseline_skip(struct baseline *b, const char *path, struct err *e)
{
	int status;

	(void)pass_to(b, path, &status, e);
	return status;
}

int
baseline_match(struct baseline *b, struct walk *w, struct entry *now, bool *same, struct err *e)
{
	const struct entry *then;
	int status;

	*same = false;
	int order = pass_to(b, now->path, &status, e);
	if (status < 0)
		return -1;
	then = b->head;
	b->here = order == 0;
	if (!b->here || now->type != 'f' || then->type != 'f' || now->size != then->size)
		return 0;
	*same = now->inode == then->inode && now->mtime == then->mtime &&
		now->ctime == then->ctime && now->ctime < b->fresh;
	if (*same) {
		memcpy(now->sha256, then->sha256, sizeof now->sha256);
		return 0;
	}
	if (walk_hash(w, now, e) < 0)
		return -1;
	*same = strcmp(now->sha256, then->sha256) == 0;
	return 0;
}

void
baseline_count(struct baseline *b, const struct entry *now, bool same)
{
	const struct entry *then = b->here ? b->head : NULL;
	bool changed = then == NULL || then->type != now->type;

	if (!changed && now->type == 'f')
		changed = (!same && strcmp(now->sha256, then->sha256) != 0) ||
			  (b->modes && now->mode != then->mode);
	if (!changed && now->type == 'l')
		changed = strcmp(now->target, then->target) != 0;
	if (changed && (now->type != 'd' || (then != NULL && then->type != 'd')))
		count_one(b, now->path);
}

int
baseline_finish(struct baseline *b, uint64_t *changes, struct err *e)
{
	if (b->here && pass(b, false, e) < 0)
		return -1;
	b->here = false;
	while (b->head != NULL)
		if (pass(b, true, e) < 0)
			return -1;
	*changes = b->changes;
	return 0;
}
