/*
 * compare - what came back against what was sent.  See compare.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tree/compare.h"
#include "tree/manifest.h"

/* A manifest with its next entry looked at already; NULL at the end. */
struct side {
	struct manifest_reader *reader;
	struct entry *head;
	bool shown; /* the caller has it; step over it first */
};

/* What is known of a resource. */
struct lent {
	bool obeyed;      /* all in it is guarded */
	struct buf named; /* by git's configuration */
	int root;         /* its directory, -1 before it was opened */
	bool sent, came;  /* something of it */
};

struct compare {
	struct side base, theirs;
	const struct resource *resources;
	size_t count;
	struct guard *guard;
	enum guarded let, guarded; /* at most, and the path at hand */
	uint64_t withheld;
	char *first;              /* that was withheld, or NULL */
	struct lent *lent;        /* one for each resource */
	struct entry implied;     /* a directory without an entry of its own */
	char skip[TREE_PATH + 1]; /* an excluded directory: all below it is, too; or "" */
};

size_t
compare_resource(const struct resource *resources, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (tree_below(path, resources[i].name) != NULL)
			return i;
	return count;
}

const char *
compare_relative(const struct resource *resource, const char *path)
{
	size_t n = strlen(resource->name);

	if (n == 0)
		return path;
	return path[n] == '/' ? path + n + 1 : path + n;
}

struct compare *
compare_open(const struct tree *theirs, const struct resource *resources, size_t count,
	     enum guarded let, struct err *e)
{
	struct compare *c = calloc(1, sizeof *c);

	if (c == NULL) {
		err_memory(e);
		return NULL;
	}
	c->resources = resources;
	c->count = count;
	c->let = let;
	c->lent = calloc(count + 1, sizeof *c->lent);
	if (c->lent == NULL) {
		err_memory(e);
		goto err0;
	}
	for (size_t i = 0; i < count; i++)
		c->lent[i].root = -1;
	c->guard = guard_new(e);
	if (c->guard == NULL)
		goto err0;
	for (size_t i = 0; i < count; i++) {
		c->lent[i].obeyed = guard_source(c->guard, resources[i].source);
		if (guard_git_names(resources[i].source, &c->lent[i].named, e) < 0)
			goto err0;
	}
	c->base.shown = c->theirs.shown = true;
	c->base.reader = manifest_reader_new(theirs->base->manifestfd, e);
	if (c->base.reader == NULL) {
		err_add(e, "the list of what was sent");
		goto err0;
	}
	c->theirs.reader = manifest_reader_new(theirs->manifestfd, e);
	if (c->theirs.reader == NULL) {
		err_add(e, "the list of what came back");
		goto err0;
	}
	return c;
err0:
	compare_close(c);
	return NULL;
}

void
compare_close(struct compare *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; c->lent && i < c->count; i++) {
		file_close(c->lent[i].root);
		buf_free(&c->lent[i].named);
	}
	manifest_reader_free(c->base.reader);
	manifest_reader_free(c->theirs.reader);
	guard_free(c->guard);
	free(c->first);
	free(c->lent);
	free(c);
}

bool
compare_returned(const struct compare *c, size_t i)
{
	return c->lent[i].came || !c->lent[i].sent;
}

enum guarded
compare_guarded(const struct compare *c)
{
	return c->guarded;
}

uint64_t
compare_withheld(const struct compare *c, const char **first)
{
	*first = c->first;
	return c->withheld;
}

bool
compare_untouchable(const struct compare *c, const char *path)
{
	size_t i = compare_resource(c->resources, c->count, path);

	return i < c->count &&
	       guard_path(c->guard, compare_relative(&c->resources[i], path)) == GUARD_NEVER;
}

int
compare_excluded(struct compare *c, const char *path, bool is_dir, bool *excluded, struct err *e)
{
	size_t i = compare_resource(c->resources, c->count, path);

	*excluded = i == c->count;
	if (i == c->count)
		return 0;
	const struct resource *r = &c->resources[i];
	const char *relative = compare_relative(r, path);
	const char *slash = strrchr(relative, '/');
	if (strcmp(relative, ".awcp") == 0 || strncmp(relative, ".awcp/", 6) == 0 ||
	    tree_is_temporary(slash != NULL ? slash + 1 : relative)) {
		*excluded = true;
		return 0;
	}
	if (r->filter == NULL || *relative == '\0')
		return 0;
	int *root = &c->lent[i].root;
	if (*root < 0 && (*root = resource_open(r, e)) < 0)
		return -1;
	return filter_check(r->filter, *root, relative, is_dir, excluded, e);
}

/* The next entry of ${s} in a resource that is taken back, or NULL. */
static int
side_advance(struct compare *c, struct side *s, struct err *e)
{
	while (s->shown) {
		int n = manifest_next(s->reader, &s->head, e);
		if (n < 0)
			return -1;
		if (n == 0) {
			s->head = NULL;
			s->shown = false;
			return 0;
		}
		size_t i = compare_resource(c->resources, c->count, s->head->path);
		s->shown = i == c->count || !c->resources[i].writable || s->head->unsent;
		if (i < c->count)
			*(s == &c->base ? &c->lent[i].sent : &c->lent[i].came) = true;
	}
	return 0;
}

/* Is the new ${t} one that the filter leaves out? */
static int
left_out(struct compare *c, const struct entry *t, bool *excluded, struct err *e)
{
	if (*c->skip && tree_below(t->path, c->skip) != NULL) {
		*excluded = true;
		return 0;
	}
	c->skip[0] = '\0';
	if (compare_excluded(c, t->path, t->type == 'd', excluded, e) < 0)
		return -1;
	size_t n = strlen(t->path);
	if (*excluded && t->type == 'd' && n <= TREE_PATH)
		memcpy(c->skip, t->path, n + 1);
	return 0;
}

/* Is it one, on the sides that have it? */
static bool
is_directory(const struct entry *b, const struct entry *t)
{
	return (b == NULL || b->type == 'd') && (t == NULL || t->type == 'd');
}

/* How guarded is what became of the path?  To be asked for each of them. */
static enum guarded
judge(struct compare *c, const struct entry *b, const struct entry *t)
{
	const char *path = b ? b->path : t->path;
	bool is_dir = is_directory(b, t);
	bool repository = guard_in_repository(c->guard, path, is_dir);

	if (compare_delta(b, t, true, false) == 0)
		return GUARD_NONE;
	size_t i = compare_resource(c->resources, c->count, path);
	const char *relative = compare_relative(&c->resources[i], path);
	if (*relative == '\0')
		return GUARD_NONE;
	enum guarded how = guard_path(c->guard, relative);
	bool deceives = b == NULL && !is_dir && guard_deceives(relative);
	bool asks = repository || deceives || c->lent[i].obeyed ||
		    guard_git_has(&c->lent[i].named, relative);
	return how == GUARD_NONE && asks ? GUARD_ASK : how;
}

static void
count_withheld(struct compare *c, const struct entry *b, const struct entry *t)
{
	/* Not every peer keeps modes, or directories with nothing in them. */
	if (is_directory(b, t) || compare_delta(b, t, false, false) == 0)
		return;
	if (c->withheld++ == 0)
		c->first = strdup(t ? t->path : b->path); /* or nothing is named */
}

int
compare_next(struct compare *c, const struct entry **base, const struct entry **theirs,
	     struct err *e)
{
	for (;;) {
		if (side_advance(c, &c->base, e) < 0 || side_advance(c, &c->theirs, e) < 0)
			return -1;
		struct entry *b = c->base.head, *t = c->theirs.head;
		if (b == NULL && t == NULL)
			return 0;
		int order = b == NULL ? 1 : t == NULL ? -1 : tree_order(b->path, t->path);
		*base = order <= 0 ? b : NULL;
		*theirs = order >= 0 ? t : NULL;
		c->base.shown = order <= 0;
		c->theirs.shown = order >= 0;
		if (order < 0 && t && tree_below(t->path, b->path) != NULL) {
			c->implied = (struct entry){.path = b->path, .type = 'd'};
			c->implied.mode = b->type == 'd' ? b->mode : 0755;
			c->implied.mtime = b->type == 'd' ? b->mtime : t->mtime;
			*theirs = &c->implied;
		}
		bool excluded = false;
		if (!*base && left_out(c, t, &excluded, e) < 0)
			return -1;
		if (excluded)
			continue;
		c->guarded = judge(c, *base, *theirs);
		if (c->guarded > c->let) {
			count_withheld(c, *base, *theirs);
			*theirs = *base;
			c->guarded = GUARD_NONE;
		}
		if (*base || *theirs)
			return 1;
	}
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool
compare_same_time(int64_t base, int64_t theirs)
{
	return base == theirs ||
	       (theirs % 1000000000 == 0 && base > theirs && base - theirs < 1000000000);
}

unsigned
compare_delta(const struct entry *base, const struct entry *theirs, bool fidelity, bool times)
{
	if (base == NULL)
		return theirs ? COMPARE_ADDED : 0;
	if (theirs == NULL)
		return COMPARE_DELETED;
	bool sent_as_file = base->type == 'l' && base->sha256[0] != '\0';
	if (base->type != theirs->type && !(sent_as_file && theirs->type == 'f'))
		return COMPARE_TYPE;
	unsigned delta = 0;
	if (theirs->type == 'f' && strcmp(base->sha256, theirs->sha256) != 0)
		delta |= COMPARE_CONTENT;
	if (theirs->type == 'l' && !same_text(base->target, theirs->target))
		delta |= COMPARE_CONTENT;
	if (fidelity && theirs->type != 'l' && base->type == theirs->type &&
	    ((base->mode ^ theirs->mode) & 0777) != 0)
		delta |= COMPARE_MODE;
	if (times && theirs->type != 'd' && base->type == theirs->type &&
	    !compare_same_time(base->mtime, theirs->mtime))
		delta |= COMPARE_TIMES;
	return delta;
}
