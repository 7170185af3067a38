/* INVITE: who is admitted, and what is answered. */
#include "assignment/due.h"
#include "assignment/members.h"
#include "assignment/private.h"

#include <stdio.h>
#include <string.h>

#include "feed/feed.h"
#include "base/clock.h"
#include "config/home.h"
#include "wire/members.h"
#include "wire/message.h"

/* The ACCEPT for record ${r}. */
static json_t *
make_accept(const struct record *r, const struct assignment_policy *p, struct err *e)
{
	char path[8192];

	(void)snprintf(path, sizeof path, "%s/" ASSIGNMENTS "/%s/work", home_path(), r->id);
	json_t *more = json_pack("{s{ss}}", "executorWorkDir", "path", path);
	if (accept_set_retention(more, assignment_retention(r->json)) < 0 ||
	    accept_set_access_mode(more, assignment_access_mode(r->json)) < 0 ||
	    accept_set_max_ttl(more, invite_ttl(assignment_invite(r->json))) < 0 ||
	    accept_set_sandbox(more, sandbox_announce(&p->sandbox, e)) < 0 ||
	    accept_set_fidelity(more, message_fidelity()) < 0) {
		json_decref(more);
		more = NULL;
	}
	return message_new("ACCEPT", r->id, more, e);
}

/* Note in ${o} what was agreed on. */
static int
fill_terms(json_t *o, const json_t *invite, const struct assignment_inviter *by,
	   const struct assignment_policy *p)
{
	int64_t retention = invite_retention(invite);
	char first[ID_MAX + 1];

	if (retention > p->max_retention * 1000)
		retention = p->max_retention * 1000;
	if (assignment_set_owner(o, by->owner) < 0 ||
	    assignment_set_capability(o, by->capability) < 0 ||
	    assignment_set_token(o, by->capability ? by->token->file : NULL) < 0 ||
	    assignment_set_access_mode(o, p->read_only ? "ro" : invite_access_mode(invite)) < 0 ||
	    assignment_set_queue(o, assignment_choose_queue(invite, &by->token->limits, first)) <
		0 ||
	    assignment_set_max_archive(
		o, assignment_limit(p->max_archive, by->token->limits.bytes)) < 0)
		return -1;
	if (by->token->limits.questions > 0 &&
	    assignment_set_max_questions(o, by->token->limits.questions) < 0)
		return -1;
	if (by->token->limits.events > 0 &&
	    assignment_set_max_events(o, by->token->limits.events) < 0)
		return -1;
	return assignment_set_retention(o, retention);
}

/* Remove what the last run left in ${o}. */
static void
drop_run(json_t *o)
{
	record_drop_error(o);
	assignment_drop_result(o);
	assignment_drop_lease(o);
	assignment_drop_started_at(o);
	assignment_drop_completed_at(o);
	assignment_drop_workspace(o);
}

/* Fill the record of a new or resumed assignment from ${invite}. */
static int
fill_record(struct record *r, const json_t *invite, const struct assignment_inviter *by,
	    const struct assignment_policy *p, struct err *e)
{
	char now[CLOCK_TEXT];
	json_t *o = r->json;

	drop_run(o);
	(void)clock_format(clock_now(), now);
	if ((record_created_at(o)[0] == '\0' && record_set_created_at(o, now) < 0) ||
	    record_set_id(o, r->id) < 0 || record_set_state(o, "pending") < 0 ||
	    record_set_invited_at(o, now) < 0 || assignment_set_run(o, assignment_run(o) + 1) < 0 ||
	    fill_terms(o, invite, by, p) < 0 ||
	    assignment_set_invite(o, assignment_without_auth(invite)) < 0)
		return err_memory(e);
	return 0;
}

/* Begin the known assignment ${r} again; the lock is held. */
static int
resume(struct record *r, const char *owner, struct err *e)
{
	if (strcmp(assignment_owner(r->json), owner) != 0)
		return assignment_decline_silently(e);
	if (fsm_step(&fsm_assignment, r, FSM_RECEIVE_INVITE, e) < 0)
		return -1;
	/* The events of the last run must not end a stream of this one. */
	return feed_restart(r->dirfd, e);
}

/* Open the record of ${id}, locked: the known one, to be resumed, or a new one. */
static int
open_or_create(const char *id, const char *owner, struct record *r, struct err *e)
{
	for (;;) {
		if (record_open(ASSIGNMENTS, id, true, r, e) == 0)
			return resume(r, owner, e);
		record_close(r);
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (record_create(ASSIGNMENTS, id, r, e) == 0)
			return 0;
		record_close(r);
		if (e->code != ERR_CONFLICT)
			return -1;
		/* Another INVITE for the same id was faster. */
	}
}

/* Does somebody else have ${id}?  Asked before a slot is taken for it, and answered at the very
 * end, so that such an INVITE is treated like any other up to there. */
static bool
is_foreign(const char *id, const char *owner)
{
	struct record r;
	struct err ignored;

	bool foreign = record_open(ASSIGNMENTS, id, false, &r, &ignored) == 0 &&
		       strcmp(assignment_owner(r.json), owner) != 0;
	record_close(&r);
	return foreign;
}

/* Record ${invite}, which is admitted, and make its ACCEPT. */
static json_t *
record_invite(const json_t *invite, const struct assignment_inviter *by,
	      const struct assignment_policy *p, struct err *e)
{
	const char *id = message_id(invite);
	json_t *answer = NULL;
	struct record r;

	if (open_or_create(id, by->owner, &r, e) < 0 || fill_record(&r, invite, by, p, e) < 0 ||
	    record_save(&r, true, true, e) < 0)
		goto out;
	assignment_set_due(id, clock_now() + p->start_within * 1000);
	answer = make_accept(&r, p, e);
out:
	record_close(&r);
	return answer;
}

json_t *
assignment_accept(const json_t *invite, const struct assignment_inviter *by,
		  const struct assignment_policy *p, struct err *e)
{
	const char *id = message_id(invite);
	struct assignment_slot slot = {id, by->token, p};
	json_t *answer = NULL;

	if (assignment_check_terms(invite, by, p, e) < 0)
		return NULL;
	if (is_foreign(id, by->owner)) {
		if (assignment_slot_take(&slot, false, e) == 0 &&
		    assignment_ask_hook(invite, by, e) == 0)
			assignment_decline_silently(e);
		return NULL;
	}
	int acquired = assignment_slot_take(&slot, true, e);
	if (acquired < 0)
		return NULL;
	if (assignment_ask_hook(invite, by, e) == 0)
		answer = record_invite(invite, by, p, e);
	if (answer == NULL && acquired > 0)
		assignment_slot_release(id);
	return answer;
}
