/*
 * scene - the places that a step moves things between.  Private to step.c and replace.c.
 */
#ifndef APPLY_SCENE_H
#define APPLY_SCENE_H

#include <sys/types.h>

#include "apply/location.h"
#include "apply/plan.h"

#define SCENE_CHANGED "changed while it was compared"

struct scene {
	const struct plan_step *step;
	struct location path;   /* in the person's directory */
	struct location staged; /* the new, for kinds A and C; dirfd -1 else */
	struct location old;    /* where the old is kept */
	struct location made;   /* the new directory, for kind X */
	char number[24];
};

/* The step failed, errno says why.  Returns -1. */
int scene_failed(const struct scene *c, struct err *e);

/* Ours is not what was compared.  Returns 1. */
int scene_refuse(const char **why, const char *text);

/* The directory could not be removed: does errno say that something is in it, or in its place? */
bool scene_in_use(void);

/* location_move_free() was cut off between its link and its unlink: take one of the two names
 * away. */
int scene_drop(struct scene *c, struct location *p, struct err *e);

/* Make a directory in the place of the path, or find it there. */
int scene_make_directory(struct scene *c, mode_t mode, struct err *e);

/* Steps that put a file or a link in the place of something (kinds C and K), or a directory (kind
 * X).  Each is 0, 1 with *${why}, or -1, as step_do and step_undo. */
int replace_change(struct scene *c, const char **why, struct err *e);
int replace_undo_change(struct scene *c, const char **why, struct err *e);
int replace_convert(struct scene *c, const char **why, struct err *e);
int replace_undo_convert(struct scene *c, const char **why, struct err *e);

#endif
