/*
 * What was not handed over is begun; what its executor has lost is handed over once more.
 *
 * In the second case the delegation stays started or running, as it is; "restarts" in its record
 * says when.  If this fails, nothing has changed, and it can be tried again.
 */
#include <string.h>

#include "base/clock.h"
#include "lend/private.h"

static bool
not_started(const json_t *delegation)
{
	return delegation_is(delegation, "created") || delegation_is(delegation, "invited") ||
	       delegation_is(delegation, "accepted");
}

/* Is ${delegation} at work, as far as we know, and nothing of it applied? */
static bool
handed_over(const json_t *delegation)
{
	return (delegation_is(delegation, "started") || delegation_is(delegation, "running")) &&
	       delegation_applied_snapshot_id(delegation) == NULL;
}

/* Does the executor say that it does not know it? */
static bool
is_lost(struct lend *l)
{
	struct lend_said a;
	struct err ignored; /* then it is followed, and that will tell */

	bool lost = lend_ask(l, false, &a, &ignored) == 0 && a.word == LEND_UNKNOWN;
	lend_said_free(&a);
	return lost;
}

static int
record_restart(struct record *r, void *arg, struct err *e)
{
	char now[CLOCK_TEXT];

	(void)arg;
	if (delegation_restarts(r->json) == NULL)
		(void)delegation_set_restarts(r->json, json_array()); /* seen in the next line */
	if (jsonx_append(delegation_restarts(r->json), clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	return 1;
}

/* INVITE and START once more.  What was packed for the first ACCEPT must suit the new one. */
static int
begin_again(struct lend *l, struct err *e)
{
	bool fidelity = delegation_fidelity(l->record), times = delegation_times(l->record);

	lend_note(l, "the executor has lost it; handing it over again");
	if (lend_change(l, record_restart, NULL, true, e) < 0 || lend_invite(l, e) < 0)
		return -1;
	if ((fidelity && !delegation_fidelity(l->record)) ||
	    (times && !delegation_times(l->record)))
		return err_set(e, ERR_DEP_MISSING,
			       "the executor cannot take any more what was packed for it");
	if (lend_stream_open(l, NULL, e) < 0)
		return -1;
	/* As in lend_begin: an event shows that it arrived. */
	return lend_start(l, e) == 0 || l->last != NULL ? 0 : -1;
}

int
lend_resume(struct lend *l, struct err *e)
{
	if (not_started(l->record))
		return lend_begin(l, e);
	if (handed_over(l->record) && is_lost(l))
		return begin_again(l, e);
	return 0;
}

int
lend_continue(struct lend *l, int64_t until, struct err *e)
{
	if (not_started(l->record) && lend_begin(l, e) < 0)
		return -1;
	return lend_follow(l, until, e);
}
