/*
 * turn - a step that was done becomes the one that takes it back.  Private to undo.
 */
#ifndef APPLY_TURN_H
#define APPLY_TURN_H

#include "apply/location.h"
#include "apply/stage.h"
#include "base/pathset.h"

struct undoing {
	struct transaction *t;
	struct plan_writer *writer;
	int keptfd, freshfd;   /* -1: there is none, or it is a dry run */
	struct pathset made;   /* paths that apply put there */
	struct pathset gone;   /* directories that it took away */
	struct pathset moved;  /* directories that come or go now */
	struct pathset opened; /* directories for which that was looked at */
};

/* One step that was done, and what there is of it. */
struct done_step {
	const struct plan_step *step;
	struct stage *stage;
	struct location now, kept;
	char number[24];
};

/* Write the step that takes back ${step}, if that is needed; or report why it cannot be. */
int turn_step(struct undoing *u, const struct plan_step *step, struct err *e);

/* Look at what there is of ${step}: 1, 0 if the directory that the path is in is not there (yet),
 * -1.  The caller closes ${d}->now.dirfd. */
int turn_look(struct undoing *u, const struct plan_step *step, struct done_step *d, struct err *e);

bool turn_is_directory(const struct location *p);

#endif
