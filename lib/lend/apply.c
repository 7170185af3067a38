/* What came back, taken without being asked: the mode "auto". */
#include <string.h>

#include "process/in_child.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "wire/message.h"
#include "delegation/members.h"

struct applying {
	struct lend *l;
	const char *snap;
};

static int
apply_aside(void *arg, struct buf *result, struct err *e)
{
	const struct applying *a = arg;
	struct apply_totals totals = {0};

	const struct snapshot_taking how = {.report = a->l->observer.report,
					    .arg = a->l->observer.arg};

	int status = snapshot_apply(a->l->id, a->snap, &how, &totals, NULL, e);
	if (status == 0)
		status = buf_add(result, &totals, sizeof totals, e);
	return status;
}

/* Note that "auto" could not take the snapshot because of ${why}. */
static void
note_failure(const struct lend *l, const struct err *why)
{
	struct err ignored;
	struct record r;

	/* Without it, it is tried again. */
	json_t *o = json_object();
	if (record_open(DELEGATIONS, l->id, true, &r, &ignored) == 0 && o != NULL &&
	    message_put_error(o, why, &ignored) == 0 &&
	    json_object_set(r.json, "applyError", o) == 0)
		(void)delegation_save(&r, true, &ignored);
	json_decref(o);
	record_close(&r);
}

int
follow_apply(struct lend *l, const json_t *delegation, struct err *e)
{
	struct apply_totals totals = {0};
	struct buf result = BUF_INIT(sizeof totals);
	struct err none;

	const json_t *snap =
	    delegation_waits(delegation) ? snapshot_pick(delegation, NULL, &none) : NULL;
	if (snap == NULL)
		return 0;
	struct applying a = {l, snapshot_id(snap)};
	int status = in_child(apply_aside, &a, &result, e);
	if (status == 0)
		memcpy(&totals, result.data, sizeof totals);
	buf_free(&result);
	if (status < 0) {
		if (e->code == ERR_CONFLICT)
			err_hint(e, "nothing was changed; see awcp-snapshot diff %s", l->id);
		note_failure(l, e);
		return err_add(e, "completed, but the snapshot stays pending");
	}
	lend_note(l, "applied: %llu added, %llu changed, %llu deleted",
		  (unsigned long long)totals.added, (unsigned long long)totals.changed,
		  (unsigned long long)totals.deleted);
	return 0;
}
