/*
 * transaction - one apply under way: its plan, and what is told of it.  See private.h.
 */
#include <stdio.h>
#include <string.h>

#include "apply/private.h"
#include "base/file.h"

void
transaction_close_plan(struct transaction *t)
{
	plan_close(t->plan);
	file_close(t->planfd);
	t->plan = NULL;
	t->planfd = -1;
}

int
transaction_read_plan(struct transaction *t, struct err *e)
{
	t->plan = plan_open(t->planfd, e);
	if (t->plan == NULL)
		return -1;
	memcpy(t->token, plan_token(t->plan), sizeof t->token);
	return 0;
}

int
transaction_report(struct transaction *t, struct err *e)
{
	struct plan_step *step;
	int n;

	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0)
		apply_report_step(t, step);
	return n;
}

int
transaction_count(struct transaction *t, struct err *e)
{
	if (plan_to_end(t->plan, e) < 0)
		return -1;
	t->steps = plan_count(t->plan);
	return 0;
}

int
transaction_conflicts(const struct transaction *t, struct err *e)
{
	unsigned long long guarded = t->totals->guarded, n = t->totals->conflicts - guarded;
	char both[64];

	snprintf(both, sizeof both, "%llu path%s in conflict", n, n == 1 ? "" : "s");
	if (guarded == 0)
		err_set(e, ERR_CONFLICT, "%s", both);
	else
		err_set(e, ERR_CONFLICT, "%s%s%llu guarded path%s changed there: %s",
			n > 0 ? both : "", n > 0 ? "; " : "", guarded, guarded == 1 ? "" : "s",
			t->guarded);
	return err_hint(e, "nothing was changed");
}
