/*
 * emit - writes the steps that the rule decided on.  See rule.h.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/rule.h"
#include "apply/stage.h"

/* The directory ${f} is written to. */
static int
open_directory(struct planner *p, struct frame *f, struct err *e)
{
	char end = p->path[f->length];

	if (f->opened || !f->here)
		return 0;
	f->opened = true;
	p->path[f->length] = '\0';
	int status = stage_plan_open(stage_of(p->t, p->path), p->writer, p->path, e);
	p->path[f->length] = end;
	return status;
}

int
rule_emit(struct planner *p, struct plan_step *step, struct err *e)
{
	size_t n = strlen(step->path), above = p->depth, holder = 0;

	if (step->kind == PLAN_MODE || step->kind == PLAN_TIMES)
		return plan_add(p->writer, step, e);
	while (above > 0 && p->frames[above - 1].length >= n)
		above--;
	/* What comes or goes itself can hold nothing. */
	while (holder < above && p->frames[holder].here && p->frames[holder].fate == STAYS)
		holder++;
	const size_t written[] = {above > 0 ? 1 : 0, holder, above};
	for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
		if (written[i] > 0 && open_directory(p, &p->frames[written[i] - 1], e) < 0)
			return -1;
	if (above > 0)
		p->frames[above - 1].dirty = true;
	if (holder > 0)
		p->frames[holder - 1].dirty = true;
	step->holder = holder > 0 ? p->frames[holder - 1].length : 0;
	return plan_add(p->writer, step, e);
}

bool
rule_is_mount_point(const struct planner *p)
{
	const char *name;
	struct statx sx;
	int fd = walk_at(p->walk, &name);

	return statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) == 0 &&
	       (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
