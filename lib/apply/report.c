/*
 * report - reports to the caller of an apply what becomes of each path, and counts it.
 */
#include "apply/private.h"

#include <stdio.h>

static void
report(const struct transaction *t, enum apply_action action, const char *path, const char *why)
{
	if (t->job->report != NULL)
		t->job->report(t->job->report_arg, action, path, why);
}

void
apply_report_conflict(const struct transaction *t, const char *path, const char *why)
{
	t->totals->conflicts++;
	report(t, APPLY_CONFLICT, path, why);
}

void
apply_report_settled(const struct transaction *t, const char *path, const char *why,
		     enum apply_settle how)
{
	static const char *const outcomes[] = {[APPLY_THEIRS] = "theirs is taken",
					       [APPLY_OURS] = "ours stays",
					       [APPLY_MERGE] = "merged"};
	char text[128];

	t->totals->settled++;
	snprintf(text, sizeof text, "%s; %s", why, outcomes[how]);
	report(t, APPLY_SETTLED, path, text);
}

void
apply_report_step(const struct transaction *t, const struct plan_step *step)
{
	static const struct {
		char kind;
		enum apply_action action;
	} table[] = {
	    {PLAN_ADD, APPLY_ADD},        {PLAN_DIRECTORY, APPLY_ADD}, {PLAN_CHANGE, APPLY_CHANGE},
	    {PLAN_CONVERT, APPLY_CHANGE}, {PLAN_MODE, APPLY_CHANGE},   {PLAN_REMOVE, APPLY_DELETE},
	    {PLAN_EMPTY, APPLY_DELETE},   {PLAN_MARKED, APPLY_CHANGE},
	};
	uint64_t *counts[] = {&t->totals->added, &t->totals->changed, &t->totals->deleted};
	bool removed = step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY;
	bool marked = step->kind == PLAN_MARKED;
	char type = removed ? step->before.type : step->after.type;
	char text[TREE_PATH + 2];
	size_t i = 0;

	/* Times are nobody's change. */
	if (step->kind == PLAN_TIMES)
		return;
	while (i < sizeof table / sizeof table[0] - 1 && table[i].kind != step->kind)
		i++;
	/* Directories come and go with what is in them: reported, but not counted. */
	bool counted = type != 'd' || step->kind == PLAN_CONVERT;
	snprintf(text, sizeof text, "%s%s", step->path, counted ? "" : "/");
	if (counted)
		(*counts[table[i].action])++;
	t->totals->marked += marked;
	report(t, table[i].action, text, marked ? "has conflict markers" : NULL);
}
