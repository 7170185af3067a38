/*
 * report - tells the caller of an apply what becomes of each path, and counts it.  Private to
 * apply.
 */
#ifndef APPLY_REPORT_H
#define APPLY_REPORT_H

#include "apply/apply.h"
#include "apply/plan.h"

/* Report ${step} to the caller of ${job} and count it. */
void apply_report_step(const struct apply_job *job, const struct plan_step *step,
		       struct apply_totals *totals);

/* Report a conflict at ${path} and count it. */
void apply_report_conflict(const struct apply_job *job, const char *path, const char *why,
			   struct apply_totals *totals);

/* Report how the conflict at ${path} was settled and count it. */
void apply_report_settled(const struct apply_job *job, const char *path, const char *why,
			  enum apply_settle how, struct apply_totals *totals);

#endif
