/* INVITE, and the terms of the ACCEPT. */
#include <string.h>

#include "access/peer.h"
#include "lend/private.h"
#include "process/sandbox.h"
#include "wire/message.h"

static int
record_accept(struct record *r, void *arg, struct err *e)
{
	const json_t *accept = arg;
	json_t *d = r->json;
	json_t *constraints = accept_constraints(accept), *work_dir = accept_work_dir(accept);
	unsigned agreed = message_agreed(accept_fidelity(accept));

	/* It is in another state if this is not the first INVITE. */
	if (delegation_is(d, "invited") && fsm_step(&fsm_delegation, r, FSM_RECEIVE_ACCEPT, e) < 0)
		return -1;
	if (delegation_set_executor_retention(d, accept_retention(accept)) < 0 ||
	    delegation_set_fidelity(d, agreed & MESSAGE_LINKS) < 0 ||
	    delegation_set_times(d, agreed & MESSAGE_TIMES) < 0 ||
	    delegation_set_delta(d, agreed & MESSAGE_DELTA) < 0)
		return err_memory(e);
	if (json_is_object(constraints) &&
	    delegation_set_executor_constraints(d, json_incref(constraints)) < 0)
		return err_memory(e);
	if (json_is_object(work_dir) &&
	    delegation_set_executor_work_dir(d, json_incref(work_dir)) < 0)
		return err_memory(e);
	return 1;
}

/* What was meant to be changed may only be read: nothing of it is taken back. */
static int
make_read_only(struct record *r, void *arg, struct err *e)
{
	json_t *one;
	size_t i;

	(void)arg;
	if (delegation_set_access_mode(r->json, "ro") < 0)
		return err_memory(e);
	json_array_foreach (delegation_resources(r->json), i, one)
		if (resource_set_mode(one, "ro") < 0)
			return err_memory(e);
	return 1;
}

/* Are the terms of ${accept} such that the work may begin? */
static int
check_terms(struct lend *l, const json_t *accept, struct err *e)
{
	int64_t ttl = delegation_ttl(l->record), max = accept_max_ttl(accept);

	bool narrower = strcmp(delegation_access_mode(l->record), "rw") == 0 &&
			strcmp(accept_access_mode(accept), "rw") != 0;
	if (narrower && !delegation_narrower(l->record)) {
		err_set(e, ERR_DECLINED, "%s takes the workspace read-only", l->url);
		return err_hint(e, "invite with -o ro or -o any, or another executor");
	}
	if (sandbox_promised(delegation_sandbox(l->record), accept_sandbox(accept), e) < 0)
		return err_add(e, "%s", l->url);
	if (narrower) {
		lend_note(l, "the executor may only read, and nothing is taken back");
		if (lend_change(l, make_read_only, NULL, false, e) < 0)
			return -1;
	}
	if (max < ttl)
		lend_note(l, "the lease is shorter than was asked for: %lld s", (long long)max);
	return 0;
}

int
lend_invite(struct lend *l, struct err *e)
{
	struct buf text = BUF_INIT(MESSAGE_MAX), answer = BUF_INIT(MESSAGE_MAX);
	struct lend_request q = {.step = "invite", .http.url = l->url};
	json_t *invite = delegation_invite(l->record, e), *accept = NULL;
	int status = -1;

	if (invite == NULL || jsonx_dump(invite, &text, e) < 0)
		goto out;
	q.http.json = text.data;
	if (lend_call(l, &q, &answer, e) < 0)
		goto out;
	if (q.http.status != 200) {
		lend_refused(l, "INVITE", q.http.status, &answer, e);
		goto out;
	}
	accept = jsonx_parse(answer.data, answer.len, e);
	if (accept == NULL || message_check_accept(accept, l->id, e) < 0) {
		err_add(e, "%s", l->url);
		if (e->code == ERR_AUTH_FAILED)
			err_hint(e, "give the executor's token with -T file");
		goto out;
	}
	peer_seen(delegation_peer_url(l->record));
	if (lend_change(l, record_accept, accept, false, e) < 0)
		goto out;
	status = check_terms(l, accept, e);
out:
	json_decref(invite);
	json_decref(accept);
	buf_free(&text);
	buf_free(&answer);
	return status;
}
