/*
 * scene - the places that a step moves things between.  See scene.h.
 */
#include "apply/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int
scene_failed(const struct scene *c, struct err *e)
{
	return err_sys(e, "%s", c->step->path);
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
scene_make_directory(struct scene *c, mode_t mode, struct err *e)
{
	if (mkdirat(c->path.dirfd, c->path.name, 0700) < 0 && errno != EEXIST)
		return scene_failed(c, e);
	if (fchmodat(c->path.dirfd, c->path.name, mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return scene_failed(c, e);
	return 0;
}
