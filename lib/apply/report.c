/*
 * report - reports to the caller of an apply what becomes of each path, and counts it.
 */
#include "apply/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

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
apply_report_guarded(struct transaction *t, const char *path, const char *why)
{
	size_t n = strlen(t->guarded);

	t->totals->conflicts++;
	t->totals->guarded++;
	bool full = n >= sizeof "…" - 1 && strcmp(t->guarded + n - (sizeof "…" - 1), "…") == 0;
	bool fits = n + strlen(path) + sizeof ", , …" < sizeof t->guarded;
	if (!full)
		snprintf(t->guarded + n, sizeof t->guarded - n, "%s%s", n > 0 ? ", " : "",
			 fits ? path : "…");
	report(t, APPLY_GUARDED, path, why);
}

void
apply_report_withheld(const struct transaction *t, const struct compare *c)
{
	const char *first;
	char why[64] = "never taken";
	uint64_t n = compare_withheld(c, &first);

	t->totals->withheld = n;
	if (n > 1)
		snprintf(why, sizeof why, "never taken, and %llu more like it",
			 (unsigned long long)n - 1);
	if (n > 0)
		report(t, APPLY_WITHHELD, first ? first : ".git", why);
}

/* Does ${step} make a file executable that was not, or was not there? */
static bool
makes_executable(const struct transaction *t, const struct plan_step *step)
{
	const struct entry *after = &step->after, *before = &step->before;
	const char *name;
	struct stat st;

	bool new = step->kind == PLAN_ADD || before->type != 'f' || (before->mode & 0111) == 0;
	if (!new || after->type != 'f' || t->job->undo)
		return false;
	if (after->mode & 0111 || t->job->fidelity || t->job->dry)
		return (after->mode & 0111) != 0;
	/* A script of a peer that keeps no modes is seen when it is there. */
	const struct stage *s = stage_of(t, step->path);
	int fd = file_parent_beneath(s->sourcefd, compare_relative(s->resource, step->path), &name,
				     NULL);
	bool yes = fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		   S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
	file_close(fd);
	return yes;
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

	/* Times are nobody's change, and what is opened is closed again. */
	if (step->kind == PLAN_TIMES || step->kind == PLAN_OPEN)
		return;
	while (i < sizeof table / sizeof table[0] - 1 && table[i].kind != step->kind)
		i++;
	/* Directories come and go with what is in them: reported, but not counted. */
	bool counted = type != 'd' || step->kind == PLAN_CONVERT;
	snprintf(text, sizeof text, "%s%s", step->path, counted ? "" : "/");
	if (counted)
		(*counts[table[i].action])++;
	t->totals->marked += marked;
	bool executable = !removed && makes_executable(t, step);
	t->totals->executable += executable;
	report(t, table[i].action, text,
	       marked       ? "has conflict markers"
	       : executable ? "executable now"
			    : NULL);
}
