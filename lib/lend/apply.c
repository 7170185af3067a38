/* What came back, applied without being asked: mode "auto". */
#include <string.h>

#include "lend/private.h"
#include "process/in_child.h"
#include "wire/message.h"

struct applying {
	struct lend *l;
	const char *snap;
};

static int
apply_in_child(void *arg, struct buf *result, struct err *e)
{
	const struct applying *a = arg;
	struct apply_totals totals = {0};
	const struct snapshot_taking how = {.report = a->l->observer.report,
					    .arg = a->l->observer.arg};

	if (snapshot_apply(a->l->id, a->snap, &how, &totals, NULL, e) < 0)
		return -1;
	return buf_add(result, &totals, sizeof totals, e);
}

static int
record_failure(struct record *r, void *arg, struct err *e)
{
	json_t *error = message_describe_error(arg);

	return delegation_set_apply_error(r->json, error) < 0 ? err_memory(e) : 1;
}

int
lend_apply(struct lend *l, struct err *e)
{
	struct apply_totals totals = {0};
	struct buf result = BUF_INIT(sizeof totals);
	struct err none;

	if (!delegation_waits(l->record))
		return 0;
	const json_t *snap = snapshot_pick(l->record, NULL, &none);
	if (snap == NULL)
		return 0;
	struct applying a = {l, snapshot_id(snap)};
	int status = in_child(apply_in_child, &a, &result, e);
	if (status == 0)
		memcpy(&totals, result.data, sizeof totals);
	buf_free(&result);
	if (status < 0) {
		if (e->code == ERR_CONFLICT)
			err_hint(e, "nothing was changed; see awcp-snapshot diff %s", l->id);
		/* Where this is not recorded, it is tried again. */
		(void)lend_change(l, record_failure, e, true, &none);
		return err_add(e, "completed, but the snapshot stays pending");
	}
	lend_note(l, "applied: %llu added, %llu changed, %llu deleted",
		  (unsigned long long)totals.added, (unsigned long long)totals.changed,
		  (unsigned long long)totals.deleted);
	if (totals.executable > 0)
		lend_note(l, "%llu of them %s executable now",
			  (unsigned long long)totals.executable,
			  totals.executable == 1 ? "is" : "are");
	if (totals.withheld > 0)
		lend_note(l, "%llu changed in .git or .awcp, of which nothing is taken",
			  (unsigned long long)totals.withheld);
	return 0;
}
