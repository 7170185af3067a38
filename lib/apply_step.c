/*
 * apply_step - does and undoes one step of a plan.  See apply_step.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply_step.h"
#include "compare.h"
#include "file.h"
#include "sha256.h"

#define CHANGED "changed while it was compared"

/* A name in an open directory. */
struct spot {
	int dirfd;
	const char *name;
	struct stat st; /* as look() saw it */
	bool there;
};

/* The places that a step moves things between. */
struct scene {
	const struct plan_step *step;
	struct spot path;   /* in the person's directory */
	struct spot staged; /* the new, for kinds A and C; dirfd -1 else */
	struct spot old;    /* where the old is kept */
	struct spot made;   /* the new directory, for kind X */
	char number[24];
};

static int
look(struct spot *p)
{
	p->there = fstatat(p->dirfd, p->name, &p->st, AT_SYMLINK_NOFOLLOW) == 0;
	return p->there || errno == ENOENT ? 0 : -1;
}

static char
type_of(const struct stat *st)
{
	return S_ISREG(st->st_mode)   ? 'f'
	       : S_ISDIR(st->st_mode) ? 'd'
	       : S_ISLNK(st->st_mode) ? 'l'
				      : '?';
}

/* Is ${p} the thing that was compared?  ${exact}: and nobody touched it in any way.  A rename or a
 * link of our own changes ctime; so does an exchange of another name of the same file. */
static bool
is_before(const struct spot *p, const struct entry *b, bool exact)
{
	const struct stat *st = &p->st;
	if (!p->there || type_of(st) != b->type || st->st_ino != b->inode)
		return false;
	if (b->type == 'd')
		return true;
	if ((uint64_t)st->st_size != b->size ||
	    (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec != b->mtime)
		return false;
	return !exact || st->st_nlink > 1 ||
	       (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec == b->ctime;
}

static bool
same_file(const struct spot *a, const struct spot *b)
{
	return a->there && b->there && a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev;
}

static int
hash(const struct spot *p, char hex[SHA256_HEX])
{
	char piece[16384];
	ssize_t n;
	int fd = openat(p->dirfd, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct sha256 *h = fd < 0 ? NULL : sha256_new(NULL);
	if (!h) {
		file_close(fd);
		return -1;
	}
	while ((n = file_read(fd, piece, sizeof piece, NULL)) > 0)
		sha256_add(h, piece, (size_t)n);
	sha256_hex(h, hex);
	sha256_free(h);
	close(fd);
	return n < 0 ? -1 : 0;
}

/* Is ${p} what the step puts there?  If that cannot be told it is not. */
static bool
is_after(const struct spot *p, const struct entry *a)
{
	char hex[SHA256_HEX], target[TREE_PATH + 1];
	if (!p->there || type_of(&p->st) != a->type)
		return false;
	if (a->type == 'd')
		return true;
	if (a->type == 'l') {
		ssize_t n = readlinkat(p->dirfd, p->name, target, sizeof target - 1);
		return n >= 0 && a->target && (size_t)n == strlen(a->target) &&
		       memcmp(target, a->target, (size_t)n) == 0;
	}
	return (uint64_t)p->st.st_size == a->size && hash(p, hex) == 0 &&
	       strcmp(hex, a->sha256) == 0;
}

static int
fail(const struct scene *c, struct err *e)
{
	return err_sys(e, "%s", c->step->path);
}

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return 1;
}

static int
exchange(const struct spot *a, const struct spot *b)
{
	return renameat2(a->dirfd, a->name, b->dirfd, b->name, RENAME_EXCHANGE);
}

static bool
not_supported(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
}

static int
move_over(const struct spot *from, const struct spot *to)
{
	return renameat(from->dirfd, from->name, to->dirfd, to->name);
}

/* Rename to a name that must be free; errno EEXIST if it is not. */
static int
move_free(const struct spot *from, const struct spot *to)
{
	if (renameat2(from->dirfd, from->name, to->dirfd, to->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (!not_supported())
		return -1;
	if (linkat(from->dirfd, from->name, to->dirfd, to->name, 0) == 0)
		return unlinkat(from->dirfd, from->name, 0);
	if (errno == EEXIST)
		return -1;
	/* No links either (or a directory): look first, that is all that can be done. */
	struct stat st;
	if (fstatat(to->dirfd, to->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return move_over(from, to);
}

/* move_free() was cut off between its link and its unlink: take one of the two names away. */
static int
drop(struct scene *c, struct spot *p, struct err *e)
{
	p->there = false;
	return unlinkat(p->dirfd, p->name, 0) ? fail(c, e) : 0;
}

static int
do_add(struct scene *c, const char **why, struct err *e)
{
	if (!c->staged.there)
		return 0;
	if (same_file(&c->staged, &c->path))
		return drop(c, &c->staged, e);
	if (!c->path.there && move_free(&c->staged, &c->path) == 0)
		return 0;
	if (c->path.there || errno == EEXIST)
		return refuse(why, "appeared while it was compared");
	return fail(c, e);
}

static int
undo_add(struct scene *c, const char **why, struct err *e)
{
	if (c->staged.there)
		return same_file(&c->staged, &c->path) ? drop(c, &c->path, e) : 0;
	if (!c->path.there)
		return 0;
	if (!is_after(&c->path, &c->step->after))
		return refuse(why, "changed since it was added");
	return move_free(&c->path, &c->staged) ? fail(c, e) : 0;
}

/* New and old are exchanged: put the old where it is kept, or back if it is not what it should be.
 */
static int
finish_change(struct scene *c, const char **why, struct err *e)
{
	bool right;
	if (look(&c->staged))
		return fail(c, e);
	right = is_before(&c->staged, &c->step->before, false);
	if (right && c->step->before.type == 'd') {
		if (unlinkat(c->staged.dirfd, c->staged.name, AT_REMOVEDIR) == 0)
			return 0;
		right = errno != ENOTEMPTY && errno != EEXIST;
		if (right)
			return fail(c, e);
	} else if (right) {
		return move_over(&c->staged, &c->old) ? fail(c, e) : 0;
	}
	return exchange(&c->staged, &c->path) ? fail(c, e) : refuse(why, CHANGED);
}

/* Where names cannot be exchanged. */
static int
change_by_link(struct scene *c, const char **why, struct err *e)
{
	if (c->step->before.type == 'd') {
		if (unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR)) {
			if (errno == ENOTEMPTY || errno == EEXIST)
				return refuse(why, CHANGED);
			return fail(c, e);
		}
		return move_free(&c->staged, &c->path) ? fail(c, e) : 0;
	}
	if (!same_file(&c->old, &c->path)) {
		if (linkat(c->path.dirfd, c->path.name, c->old.dirfd, c->old.name, 0) &&
		    move_over(&c->path, &c->old))
			return fail(c, e);
		if (look(&c->old))
			return fail(c, e);
	}
	if (!is_before(&c->old, &c->step->before, false)) {
		if (move_free(&c->old, &c->path) && errno != EEXIST)
			return fail(c, e);
		return refuse(why, CHANGED);
	}
	return move_over(&c->staged, &c->path) ? fail(c, e) : 0;
}

static int
do_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	if (!c->staged.there)
		return 0;
	if (same_file(&c->staged, &c->path))
		return drop(c, &c->staged, e);
	if (is_before(&c->staged, before, false))
		return finish_change(c, why, e);
	if (!c->path.there && (before->type == 'd' || is_before(&c->old, before, false)))
		return move_free(&c->staged, &c->path) ? fail(c, e) : 0;
	if (!is_before(&c->path, before, !same_file(&c->path, &c->old)))
		return refuse(why, CHANGED);
	if (exchange(&c->staged, &c->path) == 0)
		return finish_change(c, why, e);
	return not_supported() ? change_by_link(c, why, e) : fail(c, e);
}

static int
make_directory(struct scene *c, mode_t mode, struct err *e)
{
	if (mkdirat(c->path.dirfd, c->path.name, 0700) && errno != EEXIST)
		return fail(c, e);
	if (fchmodat(c->path.dirfd, c->path.name, mode & 07777, AT_SYMLINK_NOFOLLOW))
		return fail(c, e);
	return 0;
}

static int
undo_change(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	bool directory = before->type == 'd';
	if (same_file(&c->staged, &c->path) && drop(c, &c->path, e))
		return -1;
	if (c->staged.there && !is_before(&c->staged, before, false)) {
		if (!c->path.there && directory)
			return make_directory(c, before->mode, e);
		if (!c->path.there && c->old.there)
			return move_free(&c->old, &c->path) ? fail(c, e) : 0;
		return 0;
	}
	if (is_before(&c->path, before, false) && !c->old.there)
		return 0;
	if (c->path.there && !is_after(&c->path, &c->step->after))
		return refuse(why, "changed since it was applied");
	if (c->staged.there)
		return exchange(&c->staged, &c->path) ? fail(c, e) : 0;
	if (!directory)
		return move_over(&c->old, &c->path) ? fail(c, e) : 0;
	if (c->path.there && move_free(&c->path, &c->staged))
		return fail(c, e);
	return make_directory(c, before->mode, e);
}

static int
do_directory(struct scene *c, const char **why, struct err *e)
{
	if (c->path.there && type_of(&c->path.st) != 'd')
		return refuse(why, "appeared while it was compared");
	return make_directory(c, c->step->after.mode, e);
}

static int
undo_directory(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	/* Somebody keeps things in it by now: then it stays. */
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? 0 : fail(c, e);
}

static int
do_convert(struct scene *c, const char **why, struct err *e)
{
	const struct entry *before = &c->step->before;
	mode_t mode = c->step->after.mode & 0777;
	if (c->old.there) {
		if (c->path.there && type_of(&c->path.st) != 'd')
			return refuse(why, CHANGED);
		return make_directory(c, mode, e);
	}
	if (!c->made.there && mkdirat(c->made.dirfd, c->made.name, 0700))
		return fail(c, e);
	if (!is_before(&c->made, before, false)) {
		if (!is_before(&c->path, before, true))
			return refuse(why, CHANGED);
		if (fchmodat(c->made.dirfd, c->made.name, mode, 0))
			return fail(c, e);
		if (exchange(&c->made, &c->path)) {
			if (!not_supported() || move_over(&c->path, &c->old))
				return fail(c, e);
			return move_free(&c->made, &c->path) ? fail(c, e) : 0;
		}
		if (look(&c->made))
			return fail(c, e);
		if (!is_before(&c->made, before, false))
			return exchange(&c->made, &c->path) ? fail(c, e) : refuse(why, CHANGED);
	}
	return move_over(&c->made, &c->old) ? fail(c, e) : 0;
}

static int
undo_convert(struct scene *c, const char **why, struct err *e)
{
	if (is_before(&c->made, &c->step->before, false))
		return exchange(&c->made, &c->path) ? fail(c, e) : 0;
	if (!c->old.there)
		return 0;
	if (same_file(&c->old, &c->path))
		return drop(c, &c->old, e);
	if (c->path.there && unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR)) {
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			return refuse(why, "changed since it was applied");
		return fail(c, e);
	}
	return move_free(&c->old, &c->path) ? fail(c, e) : 0;
}

static int
do_remove(struct scene *c, const char **why, struct err *e)
{
	if (!c->path.there || c->old.there)
		return 0;
	if (!is_before(&c->path, &c->step->before, true))
		return refuse(why, CHANGED);
	if (move_over(&c->path, &c->old) || look(&c->old))
		return fail(c, e);
	if (is_before(&c->old, &c->step->before, false))
		return 0;
	if (move_free(&c->old, &c->path) && errno != EEXIST)
		return fail(c, e);
	return refuse(why, CHANGED);
}

static int
undo_remove(struct scene *c, const char **why, struct err *e)
{
	if (same_file(&c->old, &c->path))
		return drop(c, &c->old, e);
	if (!c->old.there || move_free(&c->old, &c->path) == 0)
		return 0;
	return errno == EEXIST ? refuse(why, "appeared since it was deleted") : fail(c, e);
}

static int
do_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	if (!c->path.there || unlinkat(c->path.dirfd, c->path.name, AT_REMOVEDIR) == 0)
		return 0;
	/* Something of ours came into it: then it stays, as if we had seen it before. */
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? 0 : fail(c, e);
}

static int
undo_empty(struct scene *c, const char **why, struct err *e)
{
	(void)why;
	return c->path.there ? 0 : make_directory(c, c->step->before.mode, e);
}

static int
set_mode(struct scene *c, mode_t from, mode_t to, const char **why, struct err *e)
{
	if (!c->path.there || type_of(&c->path.st) != c->step->before.type)
		return refuse(why, CHANGED);
	mode_t now = c->path.st.st_mode & 0777;
	if (now == (to & 0777))
		return 0;
	if (now != (from & 0777))
		return refuse(why, CHANGED);
	if (fchmodat(c->path.dirfd, c->path.name, to & 0777, AT_SYMLINK_NOFOLLOW))
		return fail(c, e);
	return 0;
}

static int
do_mode(struct scene *c, const char **why, struct err *e)
{
	return set_mode(c, c->step->before.mode, c->step->after.mode, why, e);
}

static int
undo_mode(struct scene *c, const char **why, struct err *e)
{
	/* Whoever changed it since has the last word. */
	(void)set_mode(c, c->step->after.mode, c->step->before.mode, why, e);
	return 0;
}

typedef int deed(struct scene *c, const char **why, struct err *e);

static const struct {
	char kind;
	deed *forward, *back;
} deeds[] = {
    {PLAN_ADD, do_add, undo_add},
    {PLAN_CHANGE, do_change, undo_change},
    {PLAN_DIRECTORY, do_directory, undo_directory},
    {PLAN_CONVERT, do_convert, undo_convert},
    {PLAN_REMOVE, do_remove, undo_remove},
    {PLAN_EMPTY, do_empty, undo_empty},
    {PLAN_MODE, do_mode, undo_mode},
};

/* Open the places of ${step}: 1, 0 if the directory that the path is in is not there, -1. */
static int
open_scene(struct stage *s, const struct plan_step *step, struct scene *c, struct err *e)
{
	*c = (struct scene){.step = step};
	c->path.dirfd = c->staged.dirfd = -1;
	snprintf(c->number, sizeof c->number, "%" PRIu64, step->number);
	c->old = (struct spot){.dirfd = s->oldfd, .name = c->number};
	c->made = (struct spot){.dirfd = s->dirfd, .name = c->number};
	const char *relative = compare_relative(s->resource, step->path);
	c->path.dirfd = file_parent_beneath(s->sourcefd, relative, &c->path.name, e);
	if (c->path.dirfd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	if (step->kind == PLAN_ADD || step->kind == PLAN_CHANGE) {
		c->staged.dirfd = file_parent_beneath(s->treefd, step->path, &c->staged.name, e);
		if (c->staged.dirfd < 0)
			return -1;
		if (look(&c->staged))
			return fail(c, e);
	}
	return look(&c->path) || look(&c->old) || look(&c->made) ? fail(c, e) : 1;
}

static int
perform(struct stage *s, const struct plan_step *step, bool forward, const char **why,
	struct err *e)
{
	struct scene c;
	size_t i = 0;
	while (i < sizeof deeds / sizeof deeds[0] && deeds[i].kind != step->kind)
		i++;
	if (i == sizeof deeds / sizeof deeds[0])
		return err_set(e, ERR_BAD_DATA, "the plan of an apply is damaged");
	int status = open_scene(s, step, &c, e);
	if (status > 0)
		status = forward ? deeds[i].forward(&c, why, e) : deeds[i].back(&c, why, e);
	else if (status == 0 && forward && step->kind != PLAN_REMOVE && step->kind != PLAN_EMPTY)
		status = refuse(why, "its directory is gone");
	else if (status == 0 && !forward && c.old.name &&
		 faccessat(s->oldfd, c.number, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		status = refuse(why, "its directory is gone");
	file_close(c.path.dirfd);
	file_close(c.staged.dirfd);
	return status;
}

int
step_do(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return perform(s, step, true, why, e);
}

int
step_undo(struct stage *s, const struct plan_step *step, const char **why, struct err *e)
{
	return perform(s, step, false, why, e);
}
