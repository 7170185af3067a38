/*
 * report - tells the caller of an apply what becomes of each path, and counts it.
 */
#include <stdio.h>
#include <string.h>

#include "apply/report.h"

void
apply_report_conflict(const struct apply_job *job, const char *path, const char *why,
		      struct apply_totals *totals)
{
	totals->conflicts++;
	if (job->report)
		job->report(job->report_arg, APPLY_CONFLICT, path, why);
}

void
apply_report_settled(const struct apply_job *job, const char *path, const char *why,
		     enum apply_settle how, struct apply_totals *totals)
{
	static const char *const outcomes[] = {[APPLY_THEIRS] = "theirs is taken",
					       [APPLY_OURS] = "ours stays",
					       [APPLY_MERGE] = "merged"};
	char text[128];
	totals->settled++;
	snprintf(text, sizeof text, "%s; %s", why, outcomes[how]);
	if (job->report)
		job->report(job->report_arg, APPLY_SETTLED, path, text);
}

void
apply_report_step(const struct apply_job *job, const struct plan_step *step,
		  struct apply_totals *totals)
{
	static const struct {
		char kind;
		enum apply_action action;
	} table[] = {
	    {PLAN_ADD, APPLY_ADD},        {PLAN_DIRECTORY, APPLY_ADD}, {PLAN_CHANGE, APPLY_CHANGE},
	    {PLAN_CONVERT, APPLY_CHANGE}, {PLAN_MODE, APPLY_CHANGE},   {PLAN_REMOVE, APPLY_DELETE},
	    {PLAN_EMPTY, APPLY_DELETE},   {PLAN_MARKED, APPLY_CHANGE},
	};
	size_t i = 0;
	while (i < sizeof table / sizeof table[0] - 1 && table[i].kind != step->kind)
		i++;
	uint64_t *counts[] = {&totals->added, &totals->changed, &totals->deleted};
	/* Times are nobody's change. */
	if (step->kind == PLAN_TIMES)
		return;
	char type = step->kind == PLAN_REMOVE || step->kind == PLAN_EMPTY ? step->before.type
									  : step->after.type;
	char text[TREE_PATH + 2];
	size_t n = strlen(step->path);
	memcpy(text, step->path, n + 1);
	/* Directories come and go with what is in them: told, but not counted. */
	if (type == 'd' && step->kind != PLAN_CONVERT)
		memcpy(text + n, "/", 2);
	else
		(*counts[table[i].action])++;
	bool marked = step->kind == PLAN_MARKED;
	totals->marked += marked;
	if (job->report)
		job->report(job->report_arg, table[i].action, text,
			    marked ? "has conflict markers" : NULL);
}
