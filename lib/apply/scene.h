/*
 * scene - the places that a step moves things between.  Private to apply.
 *
 * The new, and the old until all is done, lie in the directory that the path is in, or, where that
 * comes or goes by the same plan, in the one above it that does neither, and have temporary names
 * that the plan tells:
 *
 *	.awcp-apply-<token>-<number>      the new
 *	.awcp-apply-<token>-<number>.old  the old; of a directory, whose content has steps of its
 *	                                  own, an empty one with what is attached to it, if that is
 *	                                  not what any new one has
 *
 * with the plan's token and the step's number.
 */
#ifndef APPLY_SCENE_H
#define APPLY_SCENE_H

#include <sys/types.h>

#include "apply/location.h"
#include "apply/stage.h"

#define SCENE_CHANGED "changed while it was compared"
#define SCENE_APPEARED "appeared while it was compared"
#define SCENE_FOLDED "is one name with another one's here, where case or form do not count"
#define SCENE_LOST "what was to take its place is gone"

/* A place has the descriptor -1 if the step has no such. */
struct scene {
	const struct plan_step *step;
	struct location path;   /* in the person's directory */
	struct location staged; /* the new, for kinds A, C, K and D */
	struct location old;    /* where the old is kept */
	struct location made;   /* the new directory, for kind X */
	bool exact, bits;       /* see struct stage */
	bool lent;              /* it is the directory that was lent itself */
	bool lost;              /* the directory with the temporary names is not there */
	int holderfd;           /* private */
	char name[64], old_name[72];
};

/* Open the places of ${step} and look at them: 1, 0 if the directory that the path is in is not
 * there (then ${c}->path is not, either), -1.  Give ${c} back with scene_close in any case. */
int scene_open(struct stage *s, const struct plan_step *step, struct scene *c, struct err *e);
void scene_close(struct scene *c);

/* Something is at ${p} where nothing was: what is to be said of it? */
const char *scene_appeared(const struct location *p);

/* The step failed, errno says why.  Returns -1. */
int scene_failed(const struct scene *c, struct err *e);

/* Ours is not what was compared.  Returns 1. */
int scene_refuse(const char **why, const char *text);

/* The directory could not be removed: does errno say that something is in it, or in its place? */
bool scene_in_use(void);

/* location_move_free() was cut off between its link and its unlink: take one of the two names
 * away. */
int scene_drop(struct scene *c, struct location *p, struct err *e);

/* Make a directory of ${mode} at ${at}, or find it there.  ${exact}: with all of its bits, else as
 * the directory that it is in and the umask have it, and so that it can be filled. */
int scene_make_directory(const struct scene *c, const struct location *at, mode_t mode, bool exact,
			 struct err *e);

/* Remove the directory at ${p} and keep what is attached to it: 1, 0 if something is in it or it is
 * no directory any more, -1. */
int scene_remove_directory(struct scene *c, struct location *p, struct err *e);

/* Make the directory again that was there, open until all is undone. */
int scene_bring_back(struct scene *c, struct err *e);

/* Give the file or directory there the permission bits ${to} if it has those of ${from}; *${why} if
 * it has others.  What else its mode says stays as it is. */
int scene_set_mode(struct scene *c, mode_t from, mode_t to, const char **why, struct err *e);

/* Steps that put a file or a link in the place of something (kinds C and K), or a directory (kind
 * X).  Each is 0, 1 with *${why}, or -1, as step_do and step_undo. */
int replace_change(struct scene *c, const char **why, struct err *e);
int replace_undo_change(struct scene *c, const char **why, struct err *e);
int replace_convert(struct scene *c, const char **why, struct err *e);
int replace_undo_convert(struct scene *c, const char **why, struct err *e);

#endif
