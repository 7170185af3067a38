/*
 * report - reports to the caller of an apply what becomes of each path, and counts it.  Private to
 * apply.
 */
#ifndef APPLY_REPORT_H
#define APPLY_REPORT_H

#include "apply/private.h"

/* Report ${step} and count it. */
void apply_report_step(const struct transaction *t, const struct plan_step *step);

/* Report a conflict at ${path} and count it. */
void apply_report_conflict(const struct transaction *t, const char *path, const char *why);

/* Report how the conflict at ${path} was settled and count it. */
void apply_report_settled(const struct transaction *t, const char *path, const char *why,
			  enum apply_settle how);

#endif
