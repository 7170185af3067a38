/* A record is opened, altered, saved and closed. */
#include "delegation/delegation.h"

int
delegation_change(const char *id, delegation_work *work, void *arg, bool durable, struct err *e)
{
	struct record r;

	if (record_open(DELEGATIONS, id, true, &r, e) < 0)
		goto err;
	int changed = work(&r, arg, e);
	if (changed < 0)
		goto err;
	if (changed > 0 && delegation_save(&r, durable, e) < 0)
		goto err;
	if (delegation_finish_journal(&r, e) < 0)
		goto err;
	delegation_close(&r);
	return 0;
err:
	record_close(&r);
	return -1;
}
