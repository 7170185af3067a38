/*
 * keep - what an apply took away goes to kept/, and what it staged in vain is removed.  See
 * stage.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/scene.h"
#include "base/file.h"

#define SWEEP_DEPTH 256 /* directories that are looked into for what was moved */

/* Where old files are kept, made when the first one comes. */
struct keeping {
	int statefd, keptfd;
};

static int
open_kept(struct keeping *k, struct err *e)
{
	if (k->keptfd >= 0)
		return 0;
	k->keptfd = file_enter_dir(k->statefd, "kept", e);
	return k->keptfd < 0 ? -1 : 0;
}

/* Remove a file or an empty directory. */
static int
remove_name(const struct location *p)
{
	return unlinkat(p->dirfd, p->name, 0) == 0 || errno == ENOENT
		   ? 0
		   : unlinkat(p->dirfd, p->name, AT_REMOVEDIR);
}

static int
keep_one(struct keeping *k, const struct scene *c, struct err *e)
{
	char number[24];
	struct location kept;

	if (!c->old.there)
		return 0;
	if (open_kept(k, e) < 0)
		return -1;
	snprintf(number, sizeof number, "%llu", (unsigned long long)c->step->number);
	kept = (struct location){.dirfd = k->keptfd, .name = number};
	if (location_move_over(&c->old, &kept) == 0)
		return 0;
	if (errno != EXDEV)
		return err_sys(e, "cannot keep the old %s", c->step->path);
	if (location_copy(&c->old, &kept, e) < 0)
		return err_add(e, "cannot keep the old %s", c->step->path);
	if (remove_name(&c->old) < 0)
		return err_sys(e, "cannot remove the old %s", c->step->path);
	return 0;
}

/* Remove what the step would have put in place; what is old is never there. */
static int
clear_one(const struct scene *c, struct err *e)
{
	if ((c->staged.there && remove_name(&c->staged) < 0) ||
	    (c->made.there && unlinkat(c->made.dirfd, c->made.name, AT_REMOVEDIR) < 0 &&
	     errno != ENOTDIR))
		return err_sys(e, "cannot remove what was prepared for %s", c->step->path);
	return 0;
}

/* Take care of what is called ${name} in ${dirfd}, if it is the plan's with ${token}: what is old
 * is kept, what is new removed. */
static int
sweep_name(struct keeping *k, int dirfd, const char *name, const char *token, struct err *e)
{
	size_t n = strlen(TREE_TEMPORARY);
	struct plan_step step = {.path = (char *)(uintptr_t)name};
	struct scene c = {.step = &step, .old = {.dirfd = dirfd, .name = name, .there = true}};

	if (!tree_is_temporary(name) || strncmp(name + n, token, PLAN_TOKEN) != 0)
		return 0;
	step.number = strtoull(name + n + PLAN_TOKEN + 1, NULL, 10);
	if (strchr(name + 1, '.') != NULL)
		return keep_one(k, &c, e);
	return remove_name(&c.old) < 0 ? err_sys(e, "cannot remove %s", name) : 0;
}

/* A directory was moved while there was something of the plan in it: look for that everywhere below
 * ${dirfd}. */
static int
sweep(struct keeping *k, int dirfd, const char *token, unsigned depth, struct err *e)
{
	int status = 0;

	DIR *d = file_list(dirfd, ".");
	for (const char *name; status == 0 && (name = file_next(&d)) != NULL;) {
		status = sweep_name(k, dirfd, name, token, e);
		int fd = status < 0 || depth == SWEEP_DEPTH
			     ? -1
			     : openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			status = sweep(k, fd, token, depth + 1, e);
		file_close(fd);
	}
	if (d != NULL)
		(void)closedir(d);
	return status;
}

/* For each step of the plan: keep its old with ${k}, or ${clear} its new away. */
static int
each_step(struct transaction *t, struct keeping *k, bool clear, struct err *e)
{
	struct plan_step *step;
	struct scene c;
	int n, status = 0;
	bool lost = false;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0) {
		struct stage *s = stage_of(t, step->path);
		if (s == NULL || (t->token[0] == '\0' && s->oldfd < 0))
			continue;
		status = scene_open(s, step, &c, e);
		/* The directory may be gone, and what is in the one above it is not. */
		if (status >= 0)
			status = clear ? clear_one(&c, e) : keep_one(k, &c, e);
		lost = lost || c.lost;
		scene_close(&c);
		if (status < 0)
			return -1;
	}
	for (size_t i = 0; n == 0 && lost && i < t->count; i++)
		if (sweep(k, t->stages[i].sourcefd, t->token, 0, e) < 0)
			return -1;
	return n;
}

/* The same, and make it durable. */
static int
take_care(struct transaction *t, bool clear, struct err *e)
{
	struct keeping k = {t->job->statefd, -1};

	int status = each_step(t, &k, clear, e);
	if (status < 0)
		goto out;
	status = k.keptfd < 0 ? 0 : file_sync_dir(k.keptfd, e);
out:
	file_close(k.keptfd);
	return status;
}

int
stages_keep(struct transaction *t, struct err *e)
{
	return take_care(t, false, e);
}

int
stages_clear(struct transaction *t, struct err *e)
{
	return take_care(t, true, e);
}
