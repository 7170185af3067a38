/*
 * snapshot/choose - what the caller wants to become of conflicts, for an apply or an undo.
 */
#include <stdlib.h>

#include "snapshot/private.h"

int
snapshot_choose(struct apply_job *job, const struct snapshot_taking *how,
		struct apply_choice **choices, struct err *e)
{
	*choices = calloc(how->choice_count + 1, sizeof **choices);
	if (*choices == NULL)
		return err_memory(e);
	for (size_t i = 0; i < how->choice_count; i++) {
		const struct snapshot_choice *c = &how->choices[i];
		(*choices)[i].how = c->how;
		(*choices)[i].paths = selection_of(&c->path, 1, job->resources, job->count);
	}
	job->settle = how->settle;
	job->choices = *choices;
	job->choice_count = how->choice_count;
	return 0;
}
