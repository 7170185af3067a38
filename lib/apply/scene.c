/*
 * scene - the places that a step moves things between.  See scene.h.
 */
#include "apply/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tree/compare.h"

/* Does it put something in place, or take something away? */
static bool
has_places(const struct plan_step *step)
{
	return plan_is_staged(step) || step->kind == PLAN_CONVERT || step->kind == PLAN_REMOVE ||
	       step->kind == PLAN_DIRECTORY || step->kind == PLAN_EMPTY;
}

/* Where an earlier version has them. */
static int
open_old_places(struct stage *s, struct scene *c, struct err *e)
{
	const struct plan_step *step = c->step;

	snprintf(c->name, sizeof c->name, "%" PRIu64, step->number);
	c->old = (struct location){.dirfd = s->oldfd, .name = c->name};
	c->made = (struct location){.dirfd = s->dirfd, .name = c->name};
	if (!plan_is_staged(step) || s->treefd < 0)
		return 0;
	c->holderfd = file_parent_beneath(s->treefd, step->path, &c->staged.name, e);
	c->staged.dirfd = c->holderfd;
	return c->holderfd < 0 && !location_is_gone() ? -1 : 0;
}

/* 1, 0 if the directory with the temporary names is not there, -1. */
static int
open_places(struct stage *s, struct scene *c, struct err *e)
{
	const struct plan_step *step = c->step;
	char holder[TREE_PATH + 1];

	snprintf(c->name, sizeof c->name, TREE_TEMPORARY "%s-%" PRIu64, s->token, step->number);
	snprintf(c->old_name, sizeof c->old_name, "%s.old", c->name);
	snprintf(holder, sizeof holder, "%.*s", (int)step->holder, step->path);
	const char *relative = compare_relative(s->resource, holder);
	c->holderfd = file_open_beneath(s->sourcefd, *relative ? relative : ".",
					O_RDONLY | O_DIRECTORY, 0, e);
	c->lost = c->holderfd < 0 && location_is_gone();
	if (c->holderfd < 0)
		return c->lost ? 0 : -1;
	c->old = (struct location){.dirfd = c->holderfd, .name = c->old_name};
	if (plan_is_staged(step) || step->kind == PLAN_DIRECTORY)
		c->staged = (struct location){.dirfd = c->holderfd, .name = c->name};
	else if (step->kind == PLAN_CONVERT)
		c->made = (struct location){.dirfd = c->holderfd, .name = c->name};
	return 1;
}

int
scene_open(struct stage *s, const struct plan_step *step, struct scene *c, struct err *e)
{
	static const struct location none = {.dirfd = -1};
	const char *relative = compare_relative(s->resource, step->path);
	int found = 1;

	*c = (struct scene){step, none, none, none, none, .holderfd = -1};
	c->exact = s->exact;
	c->bits = s->bits;
	c->lent = *relative == '\0';
	if (s->token[0] == '\0') {
		if (open_old_places(s, c, e) < 0)
			return -1;
	} else if (has_places(step) && (found = open_places(s, c, e)) < 0) {
		return -1;
	}
	c->path.dirfd =
	    file_parent_beneath(s->sourcefd, c->lent ? "." : relative, &c->path.name, e);
	if (c->path.dirfd < 0 && !location_is_gone())
		return -1;
	found = found > 0 && c->path.dirfd >= 0;
	if (location_look(&c->path) || location_look(&c->staged) || location_look(&c->old) ||
	    location_look(&c->made))
		return scene_failed(c, e);
	return found;
}

void
scene_close(struct scene *c)
{
	file_close(c->path.dirfd);
	file_close(c->holderfd);
}

const char *
scene_appeared(const struct location *p)
{
	return location_is_listed(p) && !location_folds(p) ? SCENE_APPEARED : SCENE_FOLDED;
}

int
scene_failed(const struct scene *c, struct err *e)
{
	if (errno == EBUSY)
		err_set(e, ERR_BUSY, "%s is a mount point, or the system's: it cannot be replaced",
			c->step->path);
	else
		err_sys(e, "%s", c->step->path);
	return err_hint(e, "to take all but this: --ours, and its path");
}

int
scene_refuse(const char **why, const char *text)
{
	*why = text;
	return 1;
}

bool
scene_in_use(void)
{
	return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
}

int
scene_drop(struct scene *c, struct location *p, struct err *e)
{
	p->there = false;
	return unlinkat(p->dirfd, p->name, 0) ? scene_failed(c, e) : 0;
}

int
scene_make_directory(const struct scene *c, const struct location *at, mode_t mode, bool exact,
		     struct err *e)
{
	struct stat st;
	bool made = mkdirat(at->dirfd, at->name, exact ? 0700 : mode & 0777) == 0;

	if (!made && errno != EEXIST)
		return scene_failed(c, e);
	if (!exact && (fstatat(at->dirfd, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		       (st.st_mode & 0700) == 0700))
		return 0;
	mode = exact ? mode & 07777 : (st.st_mode & 07777) | 0700;
	if (fchmodat(at->dirfd, at->name, mode, AT_SYMLINK_NOFOLLOW) < 0 && !location_modeless())
		return scene_failed(c, e);
	return 0;
}

int
scene_remove_directory(struct scene *c, struct location *p, struct err *e)
{
	if (c->old.dirfd >= 0 && !c->old.there && location_is_special(p) &&
	    location_copy(p, &c->old, e) < 0)
		return -1;
	if (unlinkat(p->dirfd, p->name, AT_REMOVEDIR) == 0)
		return 1;
	int number = errno;
	(void)unlinkat(c->old.dirfd, c->old.name, AT_REMOVEDIR);
	errno = number;
	return scene_in_use() ? 0 : scene_failed(c, e);
}

int
scene_bring_back(struct scene *c, struct err *e)
{
	if (c->old.there && location_move_free(&c->old, &c->path) < 0)
		return scene_failed(c, e);
	return scene_make_directory(c, &c->path, c->step->before.mode | 0700, true, e);
}

int
scene_set_mode(struct scene *c, mode_t from, mode_t to, const char **why, struct err *e)
{
	if (!c->path.there || tree_type(c->path.st.st_mode) != c->step->before.type)
		return scene_refuse(why, SCENE_CHANGED);
	mode_t now = c->path.st.st_mode & 0777;
	/* What the plan made may have got fewer bits, by an ACL. */
	if (c->step->before.inode == 0)
		from = now, to = (to & 0700) == 0700 ? now | 0700 : now & to;
	if (now == (to & 0777))
		return 0;
	/* A directory may be open for the moment. */
	if (now != (from & 0777) && now != ((from | 0700) & 0777))
		return scene_refuse(why, SCENE_CHANGED);
	/* What is no part of what is sent stays as it is: a directory's setgid, say. */
	to = (to & 0777) | (c->path.st.st_mode & 07000);
	if (fchmodat(c->path.dirfd, c->path.name, to, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno == EPERM && geteuid() != 0 && c->path.st.st_uid != geteuid())
		return scene_refuse(why, "its mode is only its owner's to change");
	return location_modeless() ? 0 : scene_failed(c, e);
}
