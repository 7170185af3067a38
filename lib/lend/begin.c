/* From INVITE to START. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/in_child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "wire/message.h"
#include "archive/pack.h"
#include "access/peer.h"
#include "process/sandbox.h"
#include "wire/upload.h"
#include "wire/members.h"
#include "delegation/members.h"

#define START_TRIES 3
#define START_PAUSE 250000U /* us, doubled each time */

json_t *
lend_record(const struct lend *l, struct err *e)
{
	struct record r;

	json_t *o = record_open(DELEGATIONS, l->id, false, &r, e) == 0 ? json_incref(r.json) : NULL;
	record_close(&r);
	return o;
}

/* Note what ACCEPT said. */
static int
accepted(struct lend *l, const json_t *answer, struct err *e)
{
	const json_t *constraints = accept_constraints(answer);
	unsigned agreed = message_agreed(json_object_get(constraints, "fidelity"));
	struct record r;

	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	/* It is in another state if this is not the first INVITE. */
	if (status == 0 && strcmp(delegation_state(r.json), "invited") == 0)
		status = delegation_step(&r, FSM_RECEIVE_ACCEPT, e);
	if (status == 0 &&
	    (json_object_set(r.json, "executorRetentionMs",
			     json_object_get(answer, "retentionMs")) < 0 ||
	     json_object_set_new(r.json, "fidelity", json_boolean(agreed & MESSAGE_LINKS)) < 0 ||
	     json_object_set_new(r.json, "times", json_boolean(agreed & MESSAGE_TIMES)) < 0 ||
	     json_object_set_new(r.json, "delta", json_boolean(agreed & MESSAGE_DELTA)) < 0))
		status = err_memory(e);
	if (status == 0 && json_is_object(constraints))
		(void)json_object_set(r.json, "executorConstraints",
				      (json_t *)(uintptr_t)constraints);
	if (status == 0 && json_is_object(accept_work_dir(answer)))
		(void)json_object_set(r.json, "executorWorkDir", accept_work_dir(answer));
	if (status == 0)
		status = delegation_save(&r, false, e);
	record_close(&r);
	return status;
}

/* What was asked for to be changed is lent to be read only: nothing of it is taken back. */
static int
narrow(const struct lend *l, struct err *e)
{
	struct record r;
	json_t *one;
	size_t i;

	int status = record_open(DELEGATIONS, l->id, true, &r, e);
	if (status == 0)
		status = delegation_set_access_mode(r.json, "ro");
	json_array_foreach (delegation_resources(r.json), i, one)
		if (status == 0)
			status = resource_set_mode(one, "ro");
	if (status == 0)
		status = delegation_save(&r, false, e);
	record_close(&r);
	return status;
}

/* Are the terms of the ACCEPT ${answer} such that the work may begin? */
static int
check_terms(struct lend *l, const json_t *delegation, const json_t *answer, struct err *e)
{
	const json_t *constraints = accept_constraints(answer);
	int64_t ttl = delegation_ttl(delegation);
	int64_t most = jsonx_number(constraints, "maxTtlSeconds", ttl);

	bool narrower = strcmp(delegation_access_mode(delegation), "rw") == 0 &&
			strcmp(jsonx_text(constraints, "acceptedAccessMode", "rw"), "rw") != 0;
	if (narrower && !delegation_narrower(delegation)) {
		err_set(e, ERR_DECLINED, "%s takes the workspace read-only", l->url);
		return err_hint(e, "invite with -o ro or -o any, or another executor");
	}
	if (sandbox_promised(delegation_sandbox(delegation),
			     json_object_get(constraints, "sandboxProfile"), e) < 0)
		return err_add(e, "%s", l->url);
	if (narrower) {
		lend_note(l, "the executor may only read, and nothing is taken back");
		if (narrow(l, e) < 0)
			return -1;
	}
	if (most < ttl)
		lend_note(l, "the lease is shorter than was asked for: %lld s", (long long)most);
	return 0;
}

int
lend_invite(struct lend *l, json_t *delegation, struct err *e)
{
	struct buf text = BUF_INIT(MESSAGE_MAX), answer = BUF_INIT(MESSAGE_MAX);
	json_t *invite = delegation_invite(delegation, e), *reply = NULL;
	int http, status = -1;

	if (invite == NULL || jsonx_dump(invite, &text, e) < 0)
		goto out;
	if (lend_call(l, "invite", l->url, text.data, &answer, &http, e) < 0)
		goto out;
	if (http != 200) {
		(void)lend_refused(l, "INVITE", http, &answer, e);
		goto out;
	}
	reply = jsonx_parse(answer.data, answer.len, e);
	if (reply == NULL || message_check_accept(reply, l->id, e) < 0) {
		err_add(e, "%s", l->url);
		goto out;
	}
	peer_seen(delegation_peer_url(delegation));
	if (accepted(l, reply, e) == 0)
		status = check_terms(l, delegation, reply, e);
out:
	json_decref(invite);
	json_decref(reply);
	buf_free(&text);
	buf_free(&answer);
	return status;
}

static void
packing(void *arg, uint64_t bytes, uint64_t files)
{
	(void)files;
	lend_progress(arg, "packing", bytes, 0);
}

struct packing {
	struct lend *l;
	const json_t *delegation;
	const struct tree *base;
};

static int
pack_aside(void *arg, struct buf *result, struct err *e)
{
	const struct packing *p = arg;
	struct resource *resources = NULL;
	struct pack_totals totals;
	size_t count = 0;
	bool times = delegation_times(p->delegation);
	struct tree_limits limits = {0};
	struct pack_options o = {
	    .format = times ? PACK_TAR_ZST : PACK_ZIP,
	    .fidelity = delegation_fidelity(p->delegation),
	    /* To this very machine, bytes are cheaper than the time to deflate them. */
	    .compress = !url_is_loopback(p->l->url),
	    .progress = packing,
	    .progress_arg = p->l,
	};

	/* Links were not counted when the limits were checked, before the peer was known. */
	if (!o.fidelity)
		o.limits = &limits;
	int status = tree_limits(&limits, e);
	if (status == 0)
		status = snapshot_resources(p->delegation, &resources, &count, e);
	if (status == 0)
		status = pack(resources, count, &o, p->base, &totals, e);
	if (status == 0)
		status = buf_add(result, &totals, sizeof totals, e);
	snapshot_resources_free(resources, count);
	return status;
}

/* Pack what is lent into base.archive and base.manifest, and note the sums. */
static int
pack_base(struct lend *l, const json_t *delegation, struct err *e)
{
	struct pack_totals totals;
	struct buf result = BUF_INIT(sizeof totals);
	struct record r;
	int status = -1;

	struct tree base;
	struct packing p = {l, delegation, &base};
	if (tree_create(&base, l->dirfd, BASE_MANIFEST, BASE_ARCHIVE, e) < 0)
		goto out;
	if (in_child(pack_aside, &p, &result, e) < 0)
		goto out;
	memcpy(&totals, result.data, sizeof totals);
	if (fdatasync(base.manifestfd) < 0) {
		err_sys(e, "cannot write " BASE_MANIFEST);
		goto out;
	}
	status = record_open(DELEGATIONS, l->id, true, &r, e);
	if (status == 0 &&
	    json_object_set_new(r.json, "base",
				json_pack("{sI sI sI}", "files", (json_int_t)totals.files, "bytes",
					  (json_int_t)totals.bytes, "archiveBytes",
					  (json_int_t)totals.archive_bytes)) < 0)
		status = err_memory(e);
	if (status == 0)
		status = delegation_save(&r, false, e);
	record_close(&r);
out:
	buf_free(&result);
	tree_close(&base);
	return status;
}

static void
sending(void *arg, uint64_t done, uint64_t size)
{
	lend_progress(arg, "sending", done, size);
}

static int
keep_answer(void *arg, const char *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n, e);
}

/* The START for ${delegation}, and the lease that it gives, counted from now. */
static json_t *
make_start(const struct lend *l, const json_t *delegation, struct err *e)
{
	char expires[CLOCK_TEXT];
	int64_t ttl = delegation_ttl(delegation);
	int64_t most = delegation_executor_max_ttl(delegation);

	(void)clock_format(clock_now() + (ttl < most ? ttl : most) * 1000, expires);
	json_t *more =
	    json_pack("{s{ss ss} s{ss ss ss}}", "lease", "expiresAt", expires, "accessMode",
		      delegation_access_mode(delegation), "transportHandle", "transport", "archive",
		      "workspaceBase64", "", "checksum", UPLOAD_CHECKSUM);
	return message_new("START", l->id, more, e);
}

/* Note the lease before START is sent, so that whoever follows knows when it ends.  What was
 * cancelled since the INVITE is not started. */
static int
note_lease(struct lend *l, const json_t *start, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);

	if (status == 0 && strcmp(delegation_state(r.json), "cancelled") == 0)
		status = delegation_outcome(r.json, e);
	if (status == 0 && (json_object_set(r.json, "activeLease", start_lease(start)) < 0 ||
			    delegation_set_last_event_id(r.json, NULL) < 0))
		status = err_memory(e);
	if (status == 0)
		status = delegation_save(&r, true, e);
	record_close(&r);
	return status;
}

int
lend_start(struct lend *l, const json_t *delegation, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	struct upload *u = NULL;
	json_t *start = make_start(l, delegation, e);
	int http = 0, status = -1;

	int fd = openat(l->dirfd, BASE_ARCHIVE, O_RDONLY | O_CLOEXEC);
	if (start == NULL || fd < 0) {
		if (start != NULL)
			err_sys(e, "cannot read base.archive");
		goto out;
	}
	uint64_t size = (uint64_t)delegation_base_archive_bytes(delegation);
	u = upload_new(start, fd, size, sending, l, e);
	if (u == NULL || note_lease(l, start, e) < 0)
		goto out;
	for (int attempt = 1; status < 0 && attempt <= START_TRIES && l->last == NULL; attempt++) {
		struct client_body body = upload_body(u);
		buf_clear(&answer);
		status = lend_send(l, &(struct lend_request){"start", l->url, &body, attempt},
				   keep_answer, &answer, &http, e);
		/* A web server whose program has just died answers for it. */
		if (status == 0 && (http == 502 || http == 504))
			status = lend_refused(l, "START", http, &answer, e);
		if (status < 0 && attempt < START_TRIES) {
			lend_note(l, "START did not get through (%s); trying again", e->message);
			(void)usleep(START_PAUSE << attempt);
		}
		/* A START that was taken, but whose answer was lost, is not taken twice. */
		if (status == 0 && attempt > 1 && (http == 409 || http == 500))
			http = 200;
	}
	if (status == 0 && http != 200)
		status = lend_refused(l, "START", http, &answer, e);
	json_t *reply =
	    status == 0 && answer.len > 0 ? jsonx_parse(answer.data, answer.len, NULL) : NULL;
	if (strcmp(message_kind(reply), "ERROR") == 0)
		status = message_error(reply, e); /* the reference refuses with HTTP 200 */
	json_decref(reply);
	if (status == 0 && fdatasync(fd) < 0)
		status = err_sys(e, "cannot write base.archive"); /* diff and merge need it later */
out:
	upload_free(u);
	json_decref(start);
	buf_free(&answer);
	file_close(fd);
	return status;
}

static int
mark_invited(struct lend *l, struct err *e)
{
	struct record r;
	int status = record_open(DELEGATIONS, l->id, true, &r, e);

	if (status == 0 && strcmp(delegation_state(r.json), "created") == 0) {
		status = delegation_step(&r, FSM_SEND_INVITE, e);
		if (status == 0)
			status = delegation_save(&r, false, e);
	}
	record_close(&r);
	return status;
}

/* It cannot begin because of ${why}: say so here, and to the executor if it accepted.  A
 * cancellation may have reached it before the INVITE did. */
static void
give_up(struct lend *l, const struct err *why)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct err ignored;
	int http;

	json_t *o = lend_record(l, &ignored);
	(void)snprintf(url, sizeof url, "%s/cancel/%s", l->url, l->id);
	/* Both are best effort: ${why} is what the caller reports. */
	const char *state = delegation_state(o);
	if (strcmp(state, "accepted") == 0 || strcmp(state, "cancelled") == 0)
		(void)lend_call(l, "cancel", url, NULL, &answer, &http, &ignored);
	(void)delegation_end(l->id, follow_end_event(why), why, &ignored);
	json_decref(o);
	buf_free(&answer);
}

/* START may have been sent, and its answer lost with who sent it.  Where it arrived, another INVITE
 * would have the work done twice; another START is refused. */
static int
start_again(struct lend *l, const json_t *delegation)
{
	struct err e;

	if (delegation_active_lease(delegation) == NULL || follow_connect(l, "0", &e) < 0)
		return -1;
	if (lend_start(l, delegation, &e) == 0 || l->last != NULL || e.code == ERR_BAD_STATE)
		return 0;
	client_stream_close(l->client);
	l->streaming = false;
	return -1;
}

int
lend_begin(struct lend *l, struct err *e)
{
	json_t *o = NULL;
	int status = -1;

	if (mark_invited(l, e) < 0 || (o = lend_record(l, e)) == NULL)
		goto out;
	if (start_again(l, o) == 0) {
		status = follow_started(l, false, e);
		goto out;
	}
	if (lend_invite(l, o, e) < 0)
		goto out;
	json_decref(o);
	if ((o = lend_record(l, e)) == NULL || pack_base(l, o, e) < 0)
		goto out;
	json_decref(o);
	if ((o = lend_record(l, e)) == NULL || follow_connect(l, NULL, e) < 0)
		goto out;
	/* An executor that has told an event has the START, whatever became of its answer. */
	if (lend_start(l, o, e) < 0 && l->last == NULL)
		goto out;
	status = follow_started(l, false, e);
out:
	json_decref(o);
	if (status < 0)
		give_up(l, e);
	return status;
}
