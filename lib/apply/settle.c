/*
 * settle - what the person wants to become of conflicts.  See private.h.
 */
#include "apply/private.h"

enum apply_settle
apply_choice_of(const struct transaction *t, const char *path, bool *named)
{
	const struct apply_job *job = t->job;

	*named = true;
	for (size_t i = job->choice_count; i > 0; i--)
		if (selection_has(&job->choices[i - 1].paths, path))
			return job->choices[i - 1].how;
	*named = false;
	return job->settle;
}

enum apply_settle
apply_settle_conflict(const struct transaction *t, const char *path, const char *why,
		      const bool can[APPLY_MERGE + 1])
{
	bool named;
	enum apply_settle how = apply_choice_of(t, path, &named);

	if (can != NULL ? !can[how] : how != APPLY_OURS)
		how = APPLY_ASK;
	if (how == APPLY_ASK)
		apply_report_conflict(t, path, why);
	else if (how != APPLY_MERGE)
		apply_report_settled(t, path, why, how);
	return how;
}
