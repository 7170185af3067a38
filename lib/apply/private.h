/*
 * apply/private - one apply under way, as the parts of apply share it.
 */
#ifndef APPLY_PRIVATE_H
#define APPLY_PRIVATE_H

#include "apply/apply.h"
#include "apply/plan.h"
#include "tree/compare.h"

struct transaction {
	const struct apply_job *job;
	struct apply_totals *totals;
	struct resource *resources; /* the writable ones; their content is the job's */
	struct stage *stages;       /* one for each, see stage.h */
	size_t count;
	int planfd;
	struct plan *plan;
	char token[PLAN_TOKEN + 1]; /* of the plan; "" if an earlier version left it */
	uint64_t steps;             /* of the plan */
	bool staged;                /* something may be in the directories */
	bool elsewhere;             /* some of it on other file systems than they are */
	char guarded[256];          /* the first paths that are conflicts for that, with commas */
};

/* The plan's name until it is to be done; see apply.c. */
#define PLAN_NEW "plan.new"

/* Read the plan in ${t}->planfd; and close both. */
int transaction_read_plan(struct transaction *t, struct err *e);
void transaction_close_plan(struct transaction *t);

/* Go to the end of the plan, and count its steps. */
int transaction_count(struct transaction *t, struct err *e);

/* Report all steps, and count them in the totals. */
int transaction_report(struct transaction *t, struct err *e);

/* There are conflicts: ERR_CONFLICT.  Returns -1. */
int transaction_conflicts(const struct transaction *t, struct err *e);

/*
 * prepare - writes the plan and stages what it needs; in a dry run it only reports.
 */
int transaction_prepare(struct transaction *t, struct err *e);

/* Up to so many files are synced one by one; for more the whole file system is. */
#define SYNC_EACH 256

/*
 * settle - what the person wants to become of conflicts.
 */

/* How conflicts at ${path} are to be settled; *${named}: somebody named it, or what it is in. */
enum apply_settle apply_choice_of(const struct transaction *t, const char *path, bool *named);

/* There is a conflict at ${path}: report and count it, or how it is settled.  ${can}[how] says
 * which ways are open; NULL: only to keep ours.  APPLY_ASK is none: more conflicts may follow.  A
 * merge is not reported, only tried. */
enum apply_settle apply_settle_conflict(const struct transaction *t, const char *path,
					const char *why, const bool can[APPLY_MERGE + 1]);

/*
 * decide - decides, path by path, what an apply will do.
 */

/* Compare base, theirs and ours and write the steps to ${t}->planfd.  Conflicts are reported and
 * counted, but for those that apply_merge is to try: they become steps of the kind PLAN_MERGE. */
int apply_decide(struct transaction *t, struct err *e);

/*
 * merge - puts together what two sides made of a file of text.
 *
 * For every step of the kind PLAN_MERGE of a draft the three versions are laid out in merge/ of the
 * state directory and given to git merge-file.  What comes of it goes to fresh/ and the step
 * becomes a change; or it becomes a conflict, and the step is left out.
 */

/* Does ${draft} have such steps?  1, 0, -1. */
int apply_merge_needed(struct plan *draft, struct err *e);

/* Write the plan for the draft ${t}->plan to ${planfd}; reports and counts what was settled and
 * what could not be.  A dry run leaves nothing in fresh/. */
int apply_merge(struct transaction *t, int planfd, struct err *e);

/*
 * fold - looks for names that are one on the file system here.
 *
 * What is to be added may, where the file system does not tell upper from lower case or one way of
 * writing a letter from another, bear the name of something that is there.  If that goes, by the
 * same plan, it has to go first; else it is a conflict.
 */

/* Does ${draft} add anything where something is?  1, 0, -1. */
int apply_fold_needed(const struct transaction *t, struct plan *draft, struct err *e);

/* Write the plan for the draft ${t}->plan to ${planfd}, in an order that can be done. */
int apply_fold(struct transaction *t, int planfd, struct err *e);

/*
 * undo - reverses the plan of an apply that was done.
 *
 * Path by path, as in an apply: what apply made is base, what it found is theirs, what is there now
 * is ours.  A path that was changed since is a conflict, one that is as it was before is left.
 */

/* Write the plan that undoes the apply in the job's donefd to ${t}->planfd, and what it puts back
 * to fresh/ (not in a dry run).  Conflicts are reported and counted.  ERR_NOT_FOUND if the old
 * files are not kept any more. */
int apply_undo_plan(struct transaction *t, struct err *e);

/*
 * report - reports to the caller of an apply what becomes of each path, and counts it.
 */

/* Report ${step} and count it. */
void apply_report_step(const struct transaction *t, const struct plan_step *step);

/* Report a conflict at ${path} and count it. */
void apply_report_conflict(const struct transaction *t, const char *path, const char *why);

/* Report a conflict at ${path} for its being guarded, and count it. */
void apply_report_guarded(struct transaction *t, const char *path, const char *why);

/* Report and count what ${c} withheld. */
void apply_report_withheld(const struct transaction *t, const struct compare *c);

/* Report how the conflict at ${path} was settled and count it. */
void apply_report_settled(const struct transaction *t, const char *path, const char *why,
			  enum apply_settle how);

#endif
