#include "tree/since.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/compare.h"
#include "tree/manifest.h"

struct since {
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
};

static int
advance(struct since *s, struct err *e)
{
	int n = manifest_next(s->reader, &s->head, e);

	if (n < 0)
		return err_add(e, "the list of what was received");
	if (n == 0)
		s->head = NULL;
	return 0;
}

struct since *
since_open(int fd, const struct resource *resources, size_t n, bool modes, struct err *e)
{
	struct since *s = calloc(1, sizeof *s);
	struct stat st;

	if (s == NULL) {
		err_memory(e);
		return NULL;
	}
	s->resources = resources;
	s->count = n;
	s->modes = modes;
	if (fstat(fd, &st) < 0) {
		err_sys(e, "the list of what was received");
		goto err;
	}
	s->fresh = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec - SINCE_TICK;
	s->reader = manifest_reader_new(fd, e);
	if (s->reader == NULL || advance(s, e) < 0)
		goto err;
	return s;
err:
	since_close(s);
	return NULL;
}

void
since_close(struct since *s)
{
	if (s == NULL)
		return;
	manifest_reader_free(s->reader);
	free(s);
}

void
since_tell(struct since *s, void (*each)(void *arg, const char *path), void *arg)
{
	s->each = each;
	s->each_arg = arg;
}

static void
count_one(struct since *s, const char *path)
{
	s->changes++;
	if (s->each != NULL)
		s->each(s->each_arg, path);
}

/* Step over the entry that was found, or that is gone. */
static int
pass(struct since *s, bool gone, struct err *e)
{
	/* What was not walked has not gone. */
	if (gone && s->head->type != 'd' &&
	    compare_resource(s->resources, s->count, s->head->path) < s->count)
		count_one(s, s->head->path);
	return advance(s, e);
}

int
since_look(struct since *s, struct tree *t, struct entry *now, bool *same, struct err *e)
{
	const struct entry *then;
	int order = -1;

	*same = false;
	if (s->here && pass(s, false, e) < 0)
		return -1;
	while (s->head != NULL && (order = tree_order(s->head->path, now->path)) < 0)
		if (pass(s, true, e) < 0)
			return -1;
	then = s->head;
	s->here = then != NULL && order == 0;
	if (!s->here || now->type != 'f' || then->type != 'f' || now->size != then->size)
		return 0;
	*same = now->inode == then->inode && now->mtime == then->mtime &&
		now->ctime == then->ctime && now->ctime < s->fresh;
	if (*same) {
		memcpy(now->sha256, then->sha256, sizeof now->sha256);
		return 0;
	}
	if (tree_hash(t, now, e) < 0)
		return -1;
	*same = strcmp(now->sha256, then->sha256) == 0;
	return 0;
}

void
since_count(struct since *s, const struct entry *now, bool same)
{
	const struct entry *then = s->here ? s->head : NULL;
	bool changed = then == NULL || then->type != now->type;

	if (!changed && now->type == 'f')
		changed = (!same && strcmp(now->sha256, then->sha256) != 0) ||
			  (s->modes && now->mode != then->mode);
	if (!changed && now->type == 'l')
		changed = strcmp(now->target, then->target) != 0;
	if (changed && (now->type != 'd' || (then != NULL && then->type != 'd')))
		count_one(s, now->path);
}

int
since_finish(struct since *s, uint64_t *changes, struct err *e)
{
	if (s->here && pass(s, false, e) < 0)
		return -1;
	s->here = false;
	while (s->head != NULL)
		if (pass(s, true, e) < 0)
			return -1;
	*changes = s->changes;
	return 0;
}
